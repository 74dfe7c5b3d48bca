"""How cookies leave the app."""

_OURS = ("httponly", "samesite", "secure")


def harden(cookie: str, *, https: bool, framed: bool) -> str:
    """A Set-Cookie header that no script reads, no other site's request carries and no open wire.

    https: whether the browser speaks https. framed: whether the page is shown inside another site's
    (a Space is): there a browser keeps a cookie only if it may come with other sites' requests, so
    one that was made for that (`SameSite=None; Secure`) stays as it is.
    """
    pair, *rest = (part.strip() for part in cookie.split(";"))
    named = {part.partition("=")[0].strip().lower(): part.partition("=")[2] for part in rest}
    kept = [part for part in rest if part.partition("=")[0].strip().lower() not in _OURS]
    secure = https or "secure" in named
    abroad = framed and "secure" in named and named.get("samesite", "").strip().lower() == "none"
    site = f"SameSite={'None' if abroad else 'Lax'}"
    return "; ".join([pair, *kept, "HttpOnly", site, *(["Secure"] if secure else [])])
