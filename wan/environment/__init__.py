"""What surrounds the program: settings, and what a process finds and leaves on its machine."""
