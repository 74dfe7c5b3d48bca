"""The surroundings of the program: its settings, and what a process finds on its machine."""
