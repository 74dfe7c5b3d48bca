"""Long runs, started by hand: `python -m tests.bench NAME`."""
