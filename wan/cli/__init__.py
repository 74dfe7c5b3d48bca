"""The command line: `python -m wan …`. Exit codes: 0 done, 1 failed, 2 bad input or settings, 3 our own disk or database is full or stuck.

With 2 and 3 nothing was sent; after 3 the same command may be tried again later. A command's module is loaded when it is run, so that `--help` is
there at once.
"""

import json
import sys
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper

from wan.cli.parser import WHERE, parser

DONE, FAILED, BAD_INPUT, NOT_KEPT = 0, 1, 2, 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command. Gives the exit code."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as stderr: a name of a file that is no text must not end a run that is paid
    options = parser().parse_args(arguments)
    try:
        from wan.errors import NotKept, ServiceError, WanError
        from wan.redact import guard_logs

        guard_logs()
        command = getattr(import_module(f"wan.cli.{WHERE[options.command]}"), options.command.replace("-", "_"))
        try:
            return int(command(options))
        except WanError as error:
            complain(str(error), as_json=options.json, field=getattr(error, "field", None))
            return NOT_KEPT if isinstance(error, NotKept) else FAILED if isinstance(error, ServiceError) else BAD_INPUT
    except KeyboardInterrupt:
        go_on = f"what was sent goes on, and this goes on with it: python -m wan resume {options.watched}"
        said = f"Stopped watching. Nothing is lost: {go_on}" if options.watched else "Stopped. What there is: python -m wan jobs"
        print(f"\n{said}", file=sys.stderr)
        return FAILED


def complain(said: str, *, as_json: bool, field: str | None = None, **known: str) -> None:
    """Says what is wrong: to people, and as JSON to programs that want it, with what else is `known`."""
    if as_json:
        print(json.dumps({"ok": False, "error": said, "field": field, **known}, ensure_ascii=False))
    print(said, file=sys.stderr)


def show_json(known: object) -> None:
    """Prints one JSON object."""
    print(json.dumps(known, ensure_ascii=False, indent=2))
