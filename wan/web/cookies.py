"""Cookies as they leave the app."""

_OURS = ("httponly", "samesite", "secure")


def harden(cookie: str, *, https: bool, framed: bool) -> str:
    """Return a Set-Cookie header that scripts cannot read and other sites' requests do not carry.

    https: whether the browser speaks https; the cookie is then `Secure`. framed: whether the page
    is shown inside another site's, as a Space is. There a browser keeps a cookie only if it may
    come with other sites' requests, so one made for that (`SameSite=None; Secure`) stays as it is.
    """
    pair, *rest = (part.strip() for part in cookie.split(";"))
    named = {part.partition("=")[0].strip().lower(): part.partition("=")[2] for part in rest}
    kept = [part for part in rest if part.partition("=")[0].strip().lower() not in _OURS]
    secure = https or "secure" in named
    abroad = framed and "secure" in named and named.get("samesite", "").strip().lower() == "none"
    site = f"SameSite={'None' if abroad else 'Lax'}"
    return "; ".join([pair, *kept, "HttpOnly", site, *(["Secure"] if secure else [])])
