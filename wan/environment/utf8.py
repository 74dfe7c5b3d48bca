"""A new start in UTF-8 where the locale is C and Python reads everything as ASCII."""

import os
import sys


def require_utf8() -> None:
    """Restart this program in UTF-8 where it could not read a Chinese prompt."""
    if sys.getfilesystemencoding() == "ascii" and os.environ.get("PYTHONUTF8") != "1":
        os.environ["PYTHONUTF8"] = "1"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - ourselves, with what we were given
