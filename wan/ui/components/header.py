"""The head of the page."""

from wan.ui.components.component import Component


class Header(Component):
    """Name, connection, private link and languages."""

    event_names = ("share", "carry")
    """Show the private link; take the forms along to the page in the other language."""
