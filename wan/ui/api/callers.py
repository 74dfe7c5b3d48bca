"""Who calls an endpoint, and which jobs they may ask for."""

import hmac
from typing import Any

import gradio as gr
from starlette.requests import Request as HttpRequest

from wan.domain import ids
from wan.domain.errors import InvalidInput, JobNotFound
from wan.service.studio import Studio
from wan.ui.api.mcp import read_session
from wan.web.events import RELEASE, SHARED, SIZE

_BETWEEN = "."
"""Stands in a job id between the token that was made for a caller without one, and the job's own
id; neither contains it.
"""


class Call:
    """A call of an endpoint: over HTTP, or as a tool of MCP."""

    def __init__(self, request: gr.Request) -> None:
        self.request = request
        # MCP gives Starlette's own request, Gradio one around it.
        self._http: Any = getattr(request, "request", request)
        self._noted: dict[str, Any] = getattr(self._http, "scope", {})  # by the guard
        self.is_by_agent = isinstance(request, HttpRequest)

    @property
    def session(self) -> str:
        """The agent's session; "" where there is none."""
        return read_session(self.request.headers) if self.is_by_agent else ""

    @property
    def size(self) -> int:
        """The bytes that it has sent."""
        return int(self._noted.get(SIZE, 0))

    @property
    def is_shared(self) -> bool:
        """Whether others may call from its address too."""
        return bool(self._noted.get(SHARED, True))

    @property
    def root(self) -> str:
        """The app's own URL as the caller knows it."""
        return str(self._http.base_url).rstrip("/")

    def release_body(self) -> None:
        """Give back the room of what it has sent: while it waits, it counts among those that do."""
        self._noted.get(RELEASE, lambda: None)()

    async def is_gone(self) -> bool:
        """Tell whether an agent has hung up.

        Of a call over HTTP the queue knows; its request has been answered long ago.
        """
        return isinstance(self.request, HttpRequest) and await self.request.is_disconnected()


class Callers:
    """Tells the owner of jobs that a caller is."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    @property
    def _owners(self) -> ids.Owners:
        return self._studio.access.owners

    def identify(self, request: gr.Request) -> str:
        """Return the owner that a caller is by login or headers; "" for one who is nobody yet.

        Raises InvalidInput.
        """
        # MCP gives Starlette's own request, which has no user name.
        if name := getattr(request, "username", None):
            return self._owners.of_login(name)
        if token := request.headers.get("x-wan-token"):
            if not ids.is_token(token):
                low, high = ids.TOKEN_LENGTH[0], ids.TOKEN_LENGTH[-1]
                raise InvalidInput("X-Wan-Token", "token_odd", given=len(token), low=low, high=high)
            return self._owners.of_token(token)
        key = (request.headers.get("x-wan-key") or "").strip()
        return self._owners.of_key(key) if key else ""

    async def find_job(self, request: gr.Request, job_id: object) -> tuple[str, str, str]:
        """Return the owner by whom a job is asked for, the token in its id, and the job's own id.

        The token is "" where there is none. Raises InvalidInput; JobNotFound for what is no id,
        before anything is made of it.
        """
        if not isinstance(job_id, str):
            raise InvalidInput("job_id", "field_type", given=type(job_id).__name__, allowed="text")
        token, between, known = job_id.rpartition(_BETWEEN)
        if not ids.has_shape(ids.JOB, known) or (between and not ids.has_shape(ids.CALLER, token)):
            raise JobNotFound
        owner = await self._find_owner(token, known) if between else self.identify(request)
        if not owner:
            raise JobNotFound
        return owner, token, known

    async def _find_owner(self, token: str, job_id: str) -> str:
        """Return the owner of a job that a token opens, else "". Raises JobNotFound."""
        owner = await self._studio.library.owner_of(job_id)
        # The latter is how earlier versions made them.
        theirs = owner in (self._owners.of_caller(token), self._owners.of_token(token))
        return owner if theirs or self.may_only_view(token, job_id) else ""

    def may_only_view(self, token: str, job_id: str) -> bool:
        """Tell whether a token is one that shows the job and can do nothing else."""
        return hmac.compare_digest(token, self._owners.view_of(job_id))


def write_id(token: str, job_id: str) -> str:
    """Return a job's id as callers get it, which opens the job by a token in it."""
    return f"{token}{_BETWEEN}{job_id}" if token else job_id
