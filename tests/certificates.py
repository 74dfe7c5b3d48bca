"""Loads the certificates that clients trust once: each client would do it anew, which takes 27 ms
of a core, and none of the tests speaks TLS.
"""

from functools import cache

import httpx
from httpx._transports import default

default.create_ssl_context = cache(httpx.create_ssl_context)
