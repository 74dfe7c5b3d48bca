"""The way to the service: requests and answers in its format, and the simulator's process."""
