"""The page on which people sign in, where they do. Gradio checks the password and keeps the
session; its own page for this, in one language and without a word about what was wrong, is never
shown.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Protocol

from markupsafe import Markup
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope

from wan.domain.messages import Language, t
from wan.web.languages import PATHS, TAGS
from wan.web.paths import read_assets
from wan.web.refusal import RequestRefused
from wan.web.templating import render

_PAGES: Mapping[Language, str] = {"zh": "zh?lang=zh", "en": "./?lang=en"}


class _Gradio(Protocol):
    @property
    def tokens(self) -> Mapping[str, str]:
        """Names of those who are signed in, by the token of their session."""

    @property
    def cookie_id(self) -> str: ...


class SignInRequired(RequestRefused):
    """Nobody is signed in, and the page is only for those who are."""

    def __init__(self) -> None:
        super().__init__(HTTPStatus.UNAUTHORIZED)


class SignIn:
    """Who is signed in, and the page for those who are not. app: Gradio's."""

    def __init__(self, app: _Gradio) -> None:
        self._app = app

    def is_needed(self, scope: Scope) -> bool:
        """Return whether nobody is signed in."""
        cookies = HTTPConnection(scope).cookies
        names = (f"access-token-{kind}{self._app.cookie_id}" for kind in ("", "unsecure-"))
        token = next(filter(None, map(cookies.get, names)), "")
        return token not in self._app.tokens

    async def answer_form(
        self, app: ASGIApp, scope: Scope, receive: Receive, language: Language, root: str
    ) -> Response:
        """Return what follows the form: the app, or the form again with what was wrong.

        root: the path under which the app is reached.
        """
        answer: list[Message] = []

        async def keep(message: Message) -> None:
            answer.append(message)

        await app(scope, receive, keep)
        if answer[0]["status"] != HTTPStatus.OK:
            refusal = t(language, "sign_in_wrong")
            return sign_in_page(language, refusal, HTTPStatus.BAD_REQUEST)
        cookies = [one for one in answer[0]["headers"] if one[0] == b"set-cookie"]
        response = RedirectResponse(root + PATHS[language], HTTPStatus.SEE_OTHER)
        response.raw_headers += cookies
        return response


def sign_in_page(language: Language, refusal: str = "", status: int = HTTPStatus.OK) -> Response:
    """Return the page. refusal: why the last try did not succeed."""
    page = render(
        "sign_in.html",
        language,
        tag=TAGS[language],
        style=Markup(read_assets("css", "tokens", "base", "review", "sign_in")),  # noqa: S704 - ours
        pages=_PAGES,
        refusal=refusal,
    )
    return HTMLResponse(page, status, headers={"Cache-Control": "no-store"})
