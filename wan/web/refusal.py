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
        self.status, self._key, self._wait = status, key, math.ceil(wait)
        self._given, self._said = given, said

    def explain(self, language: str) -> str:
        """Return why, in words. language: the request's Accept-Language."""
        if self._said is not None:
            return self._said.say("zh" if language.startswith("zh") else "en")
        if self._key:
            return t(language, self._key, seconds=self._wait, given=self._given)
        return str(self)

    def response(self, language: str) -> Response:
        """Return the answer. language: the request's Accept-Language."""
        # What comes next over this connection may be the rest of a body that nobody wants, or was
        # put there by somebody else.
        headers = {"Connection": "close"} if self.status in (400, 408, 413) else {}
        headers |= {"Retry-After": str(self._wait)} if self._wait else {}
        return JSONResponse({"detail": self.explain(language)}, self.status, headers=headers)


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
