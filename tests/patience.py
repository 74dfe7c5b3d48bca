"""How long a test waits for what should come."""

PATIENCE = 180.0
"""Seconds after which what a test waits for is not coming: an app's start, a process's end, an
answer. No test is about this time, and a machine that is busy or slow needs a good part of it.
"""
