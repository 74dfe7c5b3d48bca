"""httpx for loopback, without TLS: for each of its clients, and for each request outside one, it
would read all authorities (25 ms of a core).
"""

from functools import partial

import httpx

PLAIN = {"trust_env": False, "verify": False}
"""What every client of the tests is made with."""

request = partial(httpx.request, **PLAIN)
get, head, post, delete = (partial(request, method) for method in ("GET", "HEAD", "POST", "DELETE"))
stream = partial(httpx.stream, **PLAIN)
Client = partial(httpx.Client, **PLAIN)
AsyncClient = partial(httpx.AsyncClient, **PLAIN)
