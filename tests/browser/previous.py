"""The release before this one, to run beside it: a bundle of one commit, as a clone may be shallow.

Which one that is, the commit's message says. Made anew at each release, with REVISION of the last:

    python -m tests.browser.previous REVISION
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.browser.serving import ROOT

BUNDLE = ROOT / "tests" / "data" / "previous-release.bundle"
_REFERENCE = "refs/heads/previous-release"
_PARTS = ("app.py", "wan", "assets", "requirements.txt")
_SHARED = ("assets/samples", "assets/stills")
"""Pictures and films, which are large, and the same in both."""
_LEFT_OUT = (*_SHARED, "assets/deploy", "assets/screenshot")
_NOBODY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Wan Studio"), ("EMAIL", "nobody@localhost"))
}


def unpack(folder: Path) -> Path:
    """Unpacks it into a folder that is not there yet, and returns that."""
    _git("clone", "--quiet", "--branch", Path(_REFERENCE).name, str(BUNDLE), str(folder))
    for name in _SHARED:
        (folder / name).symlink_to(ROOT / name)
    return folder


def bundle(revision: str) -> None:
    """Writes the bundle."""
    commit = _git("rev-parse", "--short", revision)
    kept = [
        line
        for line in _git("ls-tree", "-r", commit, *_PARTS).splitlines()
        if not line.partition("\t")[2].startswith(_LEFT_OUT)
    ]
    with tempfile.TemporaryDirectory() as folder:
        elsewhere = {"GIT_INDEX_FILE": str(Path(folder) / "index"), **_NOBODY}
        _git("update-index", "--index-info", given="\n".join(kept) + "\n", **elsewhere)
        tree = _git("write-tree", **elsewhere)
        made = _git("commit-tree", tree, "-m", f"Wan Studio as of {commit}", **elsewhere)
    _git("update-ref", _REFERENCE, made)
    _git("bundle", "create", "--quiet", str(BUNDLE), _REFERENCE)
    _git("update-ref", "-d", _REFERENCE)


def _git(*arguments: str, given: str = "", **environment: str) -> str:
    done = subprocess.run(
        ["git", *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        input=given,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


if __name__ == "__main__":
    bundle(sys.argv[1])
