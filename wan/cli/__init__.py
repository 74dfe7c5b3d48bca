"""The command line, `python -m wan …`: typer reads it, rich draws the progress of a job.

Exit codes: 0 done, 1 failed, 2 bad input or settings, 3 our own disk or database is full or stuck.
After 2 and 3 nothing was sent; after 3 the same command may be tried again later.
"""
