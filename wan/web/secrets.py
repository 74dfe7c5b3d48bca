"""Secrets that requests bring: where they stand, and how they are compared."""

import hashlib
import hmac

from pydantic import SecretStr
from starlette.datastructures import Headers
from starlette.types import Scope


def bearer_token(scope: Scope) -> str:
    """Return what a request brings as `Authorization: Bearer …`; "" for nothing."""
    kind, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


def is_secret(given: str, wanted: SecretStr) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(_digest(given), _digest(wanted.get_secret_value()))


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
