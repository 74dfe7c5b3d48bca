"""What makes two requests the same."""

import hashlib
import json
from collections.abc import Sequence

from wan.domain.requests import Request


def fingerprint(request: Request, backend: str, digests: Sequence[str], nonce: str = "") -> str:
    """The cache key of a request: SHA-256 over all that was asked, hexadecimal.

    backend: "simulator", or the service's base URL. digests: SHA-256 of each reference's bytes in
    their order, for a URL the URL itself. A seed that was not asked for is a value of its own, so
    that asking again without one is the same request. nonce: makes a forced new take differ.
    """
    whole = {"backend": backend, "references": list(digests), "nonce": nonce, **request.asked()}
    return hashlib.sha256(
        json.dumps(whole, sort_keys=True, ensure_ascii=False).encode()
    ).hexdigest()
