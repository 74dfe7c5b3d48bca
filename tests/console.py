"""The README's examples: found, run as they stand, and their output compared with what is printed
there.
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests import warm
from tests.conftest import ROOT

HERE = "/srv/wan-studio"  # stands for the folder that the examples run in
JOB = re.compile(r"(?<![\w-])(?=[\w-]*[A-Z0-9_])[\w-]{20,22}(?![\w-])")
_CHANGING = (
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "UUID"),
    (JOB, "JOB"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d"), "DATE"),
)


@dataclass(frozen=True)
class Example:
    """A command or script, and what it prints."""

    command: str
    output: str


def examples(text: str) -> Iterator[Example]:
    """The examples of a text, in their order: Python with the text block behind it, and each `$` of
    a console block.
    """
    for kind, body in re.findall(
        r"^```(python|console|text)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL
    ):
        if kind == "python":
            script = body
        elif kind == "text":
            yield Example(f"python - <<'END'\n{script}END", body)
        else:
            for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
                command, _, output = part.partition("\n")
                yield Example(command, output)


def settled(text: str) -> str:
    """A text in which whatever differs from run to run has a name."""
    for changing, name in _CHANGING:
        text = changing.sub(name, text)
    return text


class Console:
    """A folder that looks like a fresh checkout, and a shell in it."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._folder = folder
        for name in ("wan", "assets"):
            (folder / name).symlink_to(ROOT / name)
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        quick = {"WAN_SIMULATOR_PENDING": "0.1", "WAN_SIMULATOR_RUNNING": "0.2", "PATH": path}
        self._environment = {
            name: value
            for name, value in environment.items()
            if name not in ("OUTPUT_DIR", "WAN_BACKEND")
        } | quick
        self._jobs: dict[str, str] = {}  # of the README, and what they are here

    def run(self, example: Example) -> str:
        """What an example prints here."""
        command = JOB.sub(lambda found: self._jobs.get(found[0], found[0]), example.command)
        printed = self._output(command).replace(str(self._folder), HERE)
        self._jobs |= dict(zip(JOB.findall(example.output), JOB.findall(printed), strict=False))
        return printed

    def _output(self, command: str) -> str:
        python, *arguments = shlex.split(command)
        if (
            python == "python" and arguments[0] == "-m" and not re.search(r"[\n;&|<>$]", command)
        ):  # what needs no shell is forked
            return warm.run(arguments, environment=self._environment, folder=self._folder).stdout
        shell = ["bash", "-c", command]
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE}
        return subprocess.run(
            shell, cwd=self._folder, env=self._environment, text=True, timeout=120, **streams
        ).stdout
