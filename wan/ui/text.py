"""Strings of the page as HTML: see `wan.web.text`, where the review page finds them too."""

from wan.web.text import as_it_is, text, text_of

__all__ = ["as_it_is", "text", "text_of"]
