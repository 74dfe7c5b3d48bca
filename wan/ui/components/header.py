"""The head of the page."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from wan.domain.messages import Language, Message
from wan.ui.components.component import Component
from wan.ui.components.templates import render
from wan.web.paths import ASSETS

_PAGES: Mapping[Language, str] = {"zh": "zh?lang=zh", "en": "./?lang=en"}
"""Where the page of each language is, with what says that it was chosen."""


class Header(Component):
    """Name, connection, private link and languages."""

    event_names = ("private_link", "carry")
    """Show the private link; take the forms along to the page in the other language."""


def show_header(
    language: Language,
    badge: Message | str,
    *,
    short: Message | None = None,
    notes: Sequence[Message] = (),
    connect: bool = False,
    share: bool = True,
    name: str = "",
    is_operator: bool = False,
    home: str = "",
    served: bool = False,
) -> Markup:
    """Its HTML. badge: where videos are made, a message or a host name. short: the badge where
    there is little room. connect: whether there is a panel for keys and codes. share: whether jobs
    belong to a browser, so that a link opens them in another; where they do not, whoever is signed
    in can sign out. name: of whoever is signed in. is_operator: whether they may see what everybody
    spends. home: what links begin with; "" for wherever the page is reached. served: whether the
    app listens at all addresses of its machine.
    """
    return render(
        "header.html",
        language,
        badge=badge,
        short=short or badge,
        notes=notes,
        connect=connect,
        share=share,
        name=name,
        is_operator=is_operator,
        home=home,
        served=served,
        pages=_PAGES,
        icon=Markup((ASSETS / "favicon.svg").read_text(encoding="utf-8")),  # noqa: S704 - ours
    )
