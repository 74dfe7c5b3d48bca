"""The command line: `python -m wan …`. Exit codes: 0 done, 1 failed, 2 bad input or settings, 3 our
own disk or database is full or stuck.

With 2 and 3 nothing was sent; after 3 the same command may be tried again later. A command's module
is loaded when it is run, so that `--help` is there at once. What a command prints is written at its
end, as a whole: an output that is closed or full ends no run.
"""

import codecs
import json
import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from contextlib import redirect_stdout, suppress
from importlib import import_module
from io import StringIO
from pathlib import Path

from wan.cli.parser import WHERE, UsageError, parser
from wan.domain.plain_text import escaped, written_out

DONE, FAILED, BAD_INPUT, NOT_KEPT = 0, 1, 2, 3
_WRITTEN_OUT = "wan.written-out"
codecs.register_error(
    _WRITTEN_OUT,
    lambda error: (written_out(error.object[error.start : error.end]), error.end),  # type: ignore[attr-defined]
)
# back to the beginning of the line, which is emptied; only of the last row, where a line takes
# several
ANEW = "\r\x1b[2K"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command. Gives the exit code."""
    for name in ("stdout", "stderr"):
        if (
            getattr(sys, name) is None
        ):  # closed by whoever started this; what is opened next must not be taken for it
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = Namespace(
        command=None, watched="", json="--json" in given or given[:1] == ["prepare"]
    )
    with redirect_stdout(StringIO()) as said:
        code = _run(given, options)
    return _written(said.getvalue(), code, options)


def _run(given: Sequence[str], options: Namespace) -> int:
    try:
        parser().parse_args(given, options)
        return _done(options)
    except UsageError as wrong:
        complain(str(wrong), as_json=options.json)
        return BAD_INPUT
    except SystemExit as end:  # after --help
        return int(end.code or DONE)
    except KeyboardInterrupt:
        known = {"job_id": options.watched} if options.watched else {}
        tell("")
        complain(_stopped(options.watched), as_json=options.json, **known)
        return FAILED


def _done(options: Namespace) -> int:
    import logging

    from wan.domain.errors import NotKept, ServiceError, WanError
    from wan.domain.redact import guard_logs

    guard_logs()
    command = getattr(
        import_module(f"wan.cli.{WHERE[options.command]}"), options.command.replace("-", "_")
    )
    try:
        return int(command(options))
    except WanError as error:
        complain(str(error), as_json=options.json, field=getattr(error, "field", None))
        return (
            NOT_KEPT
            if isinstance(error, NotKept)
            else FAILED
            if isinstance(error, ServiceError)
            else BAD_INPUT
        )
    except Exception as error:
        logging.getLogger("wan.cli").exception("%s broke", options.command)
        complain(
            f"Something broke on our side ({type(error).__name__}). What there is: python -m "
            "wan jobs",
            as_json=options.json,
        )
        return FAILED


def _stopped(job_id: str) -> str:
    """What to say after Ctrl-C; a second one, or a database that cannot be read, shortens it."""
    if not job_id:
        return "Stopped. What there is: python -m wan jobs"
    with suppress(KeyboardInterrupt, Exception):
        return str(import_module("wan.cli.making").stopped(job_id))
    return (
        "Stopped watching. Nothing is lost: what was sent goes on. How it stands: python "
        f"-m wan show {job_id}"
    )


def _written(said: str, code: int, options: Namespace) -> int:
    """Writes what a command has to say. A reader that has gone changes nothing; any other trouble
    is a failure, and says so.
    """
    try:
        # A name of a file that is no text, or a terminal that knows no Chinese, must not end a run
        # that is paid.
        text = (
            escaped(said)
            .encode(sys.stdout.encoding or "utf-8", _WRITTEN_OUT)
            .decode(sys.stdout.encoding or "utf-8")
        )
        sys.stdout.write(text)
        sys.stdout.flush()
        return code
    except OSError as trouble:
        with suppress(OSError):
            os.dup2(
                os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno()
            )  # for what Python still writes at its end
        if isinstance(trouble, BrokenPipeError):
            return code
        go_on = f" Nothing is lost: python -m wan show {options.watched}" if options.watched else ""
        tell(f"The output could not be written: {trouble.strerror}.{go_on}")
        return code or FAILED


def tell(said: str, *, end: str = "\n", anew: bool = False) -> None:
    """Says something to people, who may have gone: nothing ends because nobody listens. anew: over
    what stands in this line.
    """
    with suppress(OSError):
        print(f"{ANEW if anew else ''}{escaped(said)}", end=end, file=sys.stderr, flush=True)


def complain(said: str, *, as_json: bool, field: str | None = None, **known: str) -> None:
    """Says what is wrong: to people, and as JSON to programs that want it, with what else is
    `known`.
    """
    if as_json and not sys.stdout.tell():  # programs get one answer: the first
        print(json.dumps({"ok": False, "error": said, "field": field, **known}, ensure_ascii=False))
    tell(said)


def show_json(known: object) -> None:
    """Prints one JSON object."""
    print(json.dumps(known, ensure_ascii=False, indent=2))
