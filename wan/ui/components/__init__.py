"""The rich parts of the page: each a class, with its jinja2 template beside it."""
