"""Python reads arguments, settings and names of files as ASCII where the locale is C and its own
remedy for that is switched off.
"""

import os
import sys


def require_utf8() -> None:
    """Starts this program anew, in UTF-8, where it could not read a Chinese prompt."""
    if sys.getfilesystemencoding() == "ascii" and os.environ.get("PYTHONUTF8") != "1":
        os.environ["PYTHONUTF8"] = "1"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - ourselves, with what we were given
