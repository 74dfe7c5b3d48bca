"""The page on which people sign in, where they do. Gradio checks the password and keeps the
session; its own page for this, in one language and without a word about what was wrong, is never
shown.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Protocol
from urllib.parse import parse_qs

from markupsafe import Markup
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope

from wan.domain.messages import Language, t
from wan.web.languages import TAGS, language_of
from wan.web.paths import read_assets
from wan.web.refusal import RequestRefused
from wan.web.templating import render

_HOME: Mapping[Language, str] = {"zh": "zh", "en": "./"}  # beside this page
_RETURNS = ("spending",)  # other pages to which signing in leads
_STYLES = ("tokens", "base", "review", "sign_in")
_INCOMPLETE = HTTPStatus.UNPROCESSABLE_ENTITY  # a field is empty


class GradioSessions(Protocol):
    """Gradio's app, as far as it knows who is signed in."""

    @property
    def tokens(self) -> Mapping[str, str]:
        """Names of those who are signed in, by the token of their session."""

    @property
    def cookie_id(self) -> str: ...


def name_of(app: GradioSessions, asked: HTTPConnection) -> str | None:
    """Return the name of whoever is signed in; None for anybody else. app: Gradio's."""
    names = (f"access-token-{kind}{app.cookie_id}" for kind in ("", "unsecure-"))
    token = next(filter(None, map(asked.cookies.get, names)), "")
    return app.tokens.get(token)


class SignInRequired(RequestRefused):
    """Nobody is signed in, and the page is only for those who are."""

    def __init__(self) -> None:
        super().__init__(HTTPStatus.UNAUTHORIZED)


class SignIn:
    """Who is signed in, and the page for those who are not. app: Gradio's."""

    def __init__(self, app: GradioSessions) -> None:
        self._app = app

    def is_needed(self, scope: Scope) -> bool:
        """Return whether nobody is signed in."""
        return name_of(self._app, HTTPConnection(scope)) is None

    async def answer_form(self, app: ASGIApp, scope: Scope, receive: Receive) -> Response:
        """Return what follows the form: the app, or the form again with what was wrong."""
        asked, answer = Request(scope, receive), list[Message]()
        body = await asked.body()

        unread: list[Message] = [{"type": "http.request", "body": body}]

        async def read_again() -> Message:
            return unread.pop() if unread else await receive()

        async def keep(message: Message) -> None:
            answer.append(message)

        await app(scope, read_again, keep)
        language, to = language_of(scope["query_string"], asked.headers), _return_in(scope)
        if (status := answer[0]["status"]) != HTTPStatus.OK:
            key = "sign_in_empty" if status == _INCOMPLETE else "sign_in_wrong"
            return sign_in_page(language, t(language, key), status, name=_name_in(body), to=to)
        response = RedirectResponse(_address(language, to), HTTPStatus.SEE_OTHER)
        response.raw_headers += [one for one in answer[0]["headers"] if one[0] == b"set-cookie"]
        return response


def refuse_form(scope: Scope, refused: RequestRefused) -> Response:
    """Return the form again after a try that did not reach Gradio: one too many, or no form."""
    language = language_of(scope["query_string"], Headers(scope=scope))
    key = "sign_in_later" if refused.wait else "sign_in_wrong"
    why = t(language, key, seconds=refused.wait)
    page = sign_in_page(language, why, refused.status, to=_return_in(scope))
    page.headers.update(refused.headers)
    return page


def sign_in_page(
    language: Language,
    refusal: str = "",
    status: int = HTTPStatus.OK,
    *,
    name: str = "",
    to: str = "",
) -> Response:
    """Return the page. refusal: why the last try did not succeed. name: as it was given there. to:
    the page to which signing in leads, one of `_RETURNS`; "" for the app's.
    """
    page = render(
        "sign_in.html",
        language,
        tag=TAGS[language],
        style=Markup(read_assets("css", *_STYLES)),  # noqa: S704 - our own files
        pages={
            one: _address(one, to) if to else f"{home}?lang={one}" for one, home in _HOME.items()
        },
        to=to,
        refusal=refusal,
        name=name,
    )
    return HTMLResponse(page, status, headers={"Cache-Control": "no-store"})


def _address(language: Language, to: str) -> str:
    """Return where signing in leads."""
    return f"{to}?lang={language}" if to else _HOME[language]


def _return_in(scope: Scope) -> str:
    """Return the page that the form names, "" for the app's own and for any other address."""
    named = Request(scope).query_params.get("to", "")
    return named if named in _RETURNS else ""


def _name_in(body: bytes) -> str:
    """Return the name in a form, "" if there is none."""
    try:
        return parse_qs(body.decode(errors="replace"), max_num_fields=10)["username"][0]
    except (KeyError, ValueError):
        return ""
