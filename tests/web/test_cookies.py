"""How cookies leave the app."""

import pytest

from wan.web.cookies import harden

# cookie, https, framed, as it leaves
COOKIES = [
    ("a=1", False, False, "a=1; HttpOnly; SameSite=Lax"),
    ("a=1", True, False, "a=1; HttpOnly; SameSite=Lax; Secure"),
    ("a=1; Path=/; HttpOnly; SameSite=lax", False, False, "a=1; Path=/; HttpOnly; SameSite=Lax"),
    ("a=1; SAMESITE=none; SECURE", False, False, "a=1; HttpOnly; SameSite=Lax; Secure"),
    ("a=1; SameSite=None; Secure", True, False, "a=1; HttpOnly; SameSite=Lax; Secure"),
    ("a=1; SameSite=None; Secure", True, True, "a=1; HttpOnly; SameSite=None; Secure"),
    ("a=1; samesite=none;secure", False, True, "a=1; HttpOnly; SameSite=None; Secure"),
    ("a=1; SameSite=None", True, True, "a=1; HttpOnly; SameSite=Lax; Secure"),
    ("a=1; HttpOnly", True, True, "a=1; HttpOnly; SameSite=Lax; Secure"),
    ("a=SameSite=None", False, True, "a=SameSite=None; HttpOnly; SameSite=Lax"),
    ('a=""; Max-Age=0; Path=/', False, False, 'a=""; Max-Age=0; Path=/; HttpOnly; SameSite=Lax'),
]


@pytest.mark.parametrize(("cookie", "https", "framed", "hard"), COOKIES)
def test_cookies_leave_hardened(cookie, https, framed, hard):
    assert harden(cookie, https=https, framed=framed) == hard
