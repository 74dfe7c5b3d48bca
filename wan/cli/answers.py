"""What a command gives back, and how it reaches people and programs.

A command returns an `Answer` and prints nothing. It is written once, at the end: an output that is
closed or full ends no run, and with `--json` there is one object whatever happens.
"""

import json
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import typer

from wan.domain.plain_text import escape

DONE, FAILED, BAD_INPUT, NOT_KEPT = 0, 1, 2, 3
"""Exit codes."""


@dataclass(frozen=True)
class Answer:
    """What came of a command."""

    known: Mapping[str, Any]
    """For programs: the object that `--json` prints."""
    text: str = ""
    """For people, on stdout; "" prints nothing."""
    complaint: str = ""
    """For people, on stderr, with `--json` too."""
    code: int = DONE
    indent: int | None = 2
    """Spaces in front of a field of the object; None writes it as one line."""


def refusal(message: str, *, code: int = BAD_INPUT, **known: Any) -> Answer:
    """The answer of a command that has nothing to show but what went wrong."""
    about = {"ok": False, "error": message, "field": None, **known}
    return Answer(about, complaint=message, code=code, indent=None)


def answer_error(error: Exception, command: str) -> Answer:
    """The answer where a command ended with an error; one that is not ours is logged."""
    import logging

    from wan.domain.errors import ServiceError, StorageUnavailable, WanError
    from wan.domain.messages import t

    if isinstance(error, WanError):
        code = BAD_INPUT
        if isinstance(error, StorageUnavailable | ServiceError):
            code = NOT_KEPT if isinstance(error, StorageUnavailable) else FAILED
        return refusal(str(error), code=code, field=getattr(error, "field", None))
    logging.getLogger("wan.cli").error("%s broke", command, exc_info=error)
    return refusal(t("en", "cli_broke", kind=type(error).__name__), code=FAILED)


def tell(message: str, *, end: str = "\n") -> None:
    """Write to stderr. Nothing ends because nobody listens."""
    with suppress(OSError):
        typer.echo(f"{escape(message)}{end}", err=True, nl=False)


def deliver(answer: Answer, *, as_json: bool) -> int:
    """Write an answer and return the exit code.

    A reader that has gone changes nothing. Any other trouble is a failure, and says how to get at
    the job.
    """
    if answer.complaint:
        tell(answer.complaint)
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    text = escape(_as_json(answer, encoding) if as_json else answer.text)
    try:
        if text:  # a terminal that knows no Chinese must not end a run that is paid
            typer.echo(text.encode(encoding, "backslashreplace").decode(encoding))
    except BrokenPipeError:
        return answer.code
    except OSError as trouble:
        failed = report_lost_output(trouble, answer.known.get("job_id"))
        return answer.code or failed
    return answer.code


def report_lost_output(trouble: OSError, job_id: str | None = None) -> int:
    """Say that stdout takes nothing, and how to get at the job. Returns the exit code."""
    from wan.domain.messages import t

    key = "cli_output_lost_job" if job_id else "cli_output_lost"
    tell(t("en", key, reason=trouble.strerror, job=job_id))
    return FAILED


def _as_json(answer: Answer, encoding: str) -> str:
    """The object; in ASCII where something in it would steer a terminal or the output is not UTF-8,
    so that it stays JSON.
    """
    text = json.dumps(answer.known, ensure_ascii=False, indent=answer.indent)
    if encoding.lower() in ("utf-8", "utf8") and escape(text) == text:
        return text
    return json.dumps(answer.known, indent=answer.indent)
