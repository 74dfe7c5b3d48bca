"""Fills the templates that stand beside the components, and those shared with the review page."""

from pathlib import Path

from wan.web.templating import TEMPLATES, renderer

render = renderer(Path(__file__).parent, TEMPLATES)
