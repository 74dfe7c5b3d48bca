"""The test for two requests being the same."""

import hashlib
import json
from collections.abc import Sequence

from wan.domain.requests import Request


def fingerprint(request: Request, backend: str, digests: Sequence[str], nonce: str = "") -> str:
    """Return the cache key of a request: SHA-256 over all that was asked, hexadecimal.

    backend: "simulator", or the service's base URL. digests: SHA-256 of each reference's bytes in
    their order, for a URL the URL itself. nonce: makes a forced new take differ. An omitted seed is
    a value of its own, so that repeating a request without one is the same request.
    """
    whole = {"backend": backend, "references": list(digests), "nonce": nonce, **request.to_json()}
    return hashlib.sha256(
        json.dumps(whole, sort_keys=True, ensure_ascii=False).encode()
    ).hexdigest()
