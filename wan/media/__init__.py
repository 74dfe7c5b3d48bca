"""Files: what comes in is opened in a sandbox, what goes out is measured, conformed, joined and
tagged.
"""
