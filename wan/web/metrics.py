"""The metrics, for whom WAN_METRICS names. To everybody else their address leads nowhere.

No label holds a prompt, an owner, a key, an account or an address: each has a few known values.
"""

import asyncio

from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Scope

from wan.environment.settings import Settings
from wan.service.studio import Studio
from wan.web.addresses import is_local
from wan.web.secrets import bearer_token, is_secret

PATH = "/metrics"


def may_read(settings: Settings, scope: Scope) -> bool:
    """Tell whether a request may read the metrics. scope: as it came from its socket."""
    readers = settings.metrics_readers
    if isinstance(readers, SecretStr):
        return is_secret(bearer_token(scope), readers)
    return readers == "loopback" and is_local(scope)


def routes(studio: Studio, opened: asyncio.Event) -> list[Route]:
    """Return the route, where there is anybody who may read them; the guard asks `may_read`.
    opened: set once the studio is ready; before, the database tells nothing.
    """
    if studio.settings.metrics_readers is None:
        return []
    from wan.web import exposition  # the library behind it is only needed here

    page = exposition.Exposition()

    async def metrics(request: Request) -> Response:
        figures = await studio.monitoring.read_figures() if opened.is_set() else None
        families = list(exposition.collect(studio.metrics, figures))
        text = await asyncio.to_thread(page.write, families)
        headers = {"Cache-Control": "no-store", "Content-Type": exposition.CONTENT_TYPE}
        return Response(text, headers=headers)

    return [Route(PATH, metrics)]
