"""Refusals of requests, with their answers."""

import math
from http import HTTPStatus

from starlette.responses import JSONResponse, RedirectResponse, Response

from wan.domain.messages import Message, t
from wan.web.languages import VARY


class RequestRefused(Exception):
    """A request is refused.

    key: the message, where people can act on it. wait: seconds, where waiting helps. given: what
    was wrong. said: a message in place of all that.
    """

    def __init__(
        self,
        status: int,
        key: str = "",
        wait: float = 0,
        given: str = "",
        said: Message | None = None,
    ) -> None:
        super().__init__(HTTPStatus(status).phrase)
        self.status, self._key, self.wait = status, key, math.ceil(wait)
        self._given, self._said = given, said

    @property
    def headers(self) -> dict[str, str]:
        """The headers of its answer."""
        # What comes next over this connection may be the rest of a body that nobody wants, or was
        # put there by somebody else.
        headers = {"Connection": "close"} if self.status in (400, 408, 413) else {}
        return headers | ({"Retry-After": str(self.wait)} if self.wait else {})

    def response(self, language: str) -> Response:
        """Return the answer. language: the request's Accept-Language."""
        detail = (
            t(language, self._key, seconds=self.wait, given=self._given) if self._key else str(self)
        )
        if self._said is not None:
            detail = self._said.say("zh" if language.startswith("zh") else "en")
        # `error` is what Gradio's page shows of an event past the queue (6.31.0).
        shown = {"detail": detail, "error": detail}
        return JSONResponse(shown, self.status, headers=self.headers)


class Redirect(RequestRefused):
    """A request for what stands at another path of this server. query: that of the request."""

    def __init__(self, path: str, query: bytes) -> None:
        super().__init__(HTTPStatus.TEMPORARY_REDIRECT)
        self._path = path + (f"?{query.decode('latin-1')}" if query else "")

    def response(self, language: str) -> Response:
        """Return the answer. Its path is relative, as the browser knows name and port better."""
        return RedirectResponse(self._path)


class LanguageRedirect(Redirect):
    """A request for the page in the language of whoever asks."""

    def response(self, language: str) -> Response:
        """The answer, which is another one for the next who asks."""
        headers = {"Vary": VARY, "Cache-Control": "no-store"}
        return RedirectResponse(self._path, HTTPStatus.FOUND, headers)
