"""The options of the command line with their help, and what typer does not do by itself: the order
of several options, and a value that may be left out.

Options for the fields of a request are made from the table in `wan.domain.fields`. Their values are
`Any` here: the request models check them.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option
from typer.core import TyperCommand

from wan.cli.completion import show_script
from wan.domain.fields import Makes, RequestField, fields_of

_ORDER = "wan.order"
_OFF = "no_"  # stands before the name of a field in the name of the option that switches it off


def _number(text: str | float) -> int | float | str:
    """Return the number that a text is; any other text as it is, for the request to refuse, and a
    default as it is.
    """
    if not isinstance(text, str):
        return text
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _job_id(text: str) -> str:
    """Return an id; bytes that are no text become some that no id has."""
    return text.encode(errors="replace").decode()


def _text(metavar: str, about: str, *names: str) -> Any:
    """Make an option for text as it was typed, be it valid Unicode or not."""
    return Option(*names, parser=str, metavar=metavar, help=about, show_default=False)


def _path(about: str, *names: str) -> Any:
    return Option(*names, parser=Path, metavar="FILE", help=about)


def _option_of(field: RequestField) -> Any:
    """Make the option of a request field: a switch, a choice that the shell completes, a number or
    a text.
    """
    about = field.option_help or field.about
    if field.is_switch:
        name = f"{_OFF if field.default else ''}{field.name}".replace("_", "-")
        return Option(f"--{name}", help=about)
    if field.choices:
        return Option(metavar="NAME", help=about, autocompletion=_completer(*field.choices))
    if field.unit:
        return Option(parser=_number, metavar=field.unit.upper(), help=about)
    return _text("TEXT", about)


def _completer(*values: str) -> Callable[[str], list[str]]:
    def complete(incomplete: str) -> list[str]:
        return [one for one in values if one.startswith(incomplete)]

    return complete


def with_request_options(
    makes: Makes, *, before: str, only: Sequence[str] = ()
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command the options of a request's fields, in front of its option `before`.

    It finds their values in its context. only: the names of some, which have no default then.
    """
    rows = [row for row in fields_of(makes) if row.option and (not only or row.name in only)]
    added = [_parameter(row, required=bool(only)) for row in rows]

    def add(work: Callable[..., Any]) -> Callable[..., Any]:
        signature = inspect.signature(work)
        own = list(signature.parameters.values())
        place = list(signature.parameters).index(before)

        @wraps(work)
        def command(*given: Any, **options: Any) -> Any:
            theirs = {name: options[name] for name in options if name in signature.parameters}
            return work(*given, **theirs)

        whole: Any = command
        whole.__signature__ = signature.replace(parameters=[*own[:place], *added, *own[place:]])
        return command

    return add


def _parameter(row: RequestField, *, required: bool) -> inspect.Parameter:
    keyword, option = inspect.Parameter.KEYWORD_ONLY, _option_of(row)
    if row.is_switch:
        name = f"{_OFF}{row.name}" if row.default else row.name
        return inspect.Parameter(name, keyword, default=False, annotation=Annotated[bool, option])
    default = None if required else row.default
    return inspect.Parameter(row.name, keyword, default=default, annotation=Annotated[Any, option])


def request_values(options: Mapping[str, Any], makes: Makes) -> dict[str, Any]:
    """Return the values of a request's fields from the options that were typed."""
    names = [row.name for row in fields_of(makes)]
    return {name: options[name] for name in names if name in options} | {
        name: not options[f"{_OFF}{name}"] for name in names if f"{_OFF}{name}" in options
    }


Json = Annotated[bool, Option("--json", help="Print one JSON object.", expose_value=False)]
Job = Annotated[str, Argument(metavar="JOB", parser=_job_id, help="The id of a job.")]
ShowCompletion = Annotated[
    bool,
    Option(
        "--show-completion",
        callback=show_script,
        is_eager=True,
        expose_value=False,
        help="Print a bash or zsh script that makes `wan` run this program, with completion.",
    ),
]

# of a request's files
Image = Annotated[
    str,
    Argument(
        metavar="IMAGE",
        parser=str,
        help="A JPEG, PNG, BMP, WebP, HEIC or AVIF file, or an http(s) URL.",
    ),
]
Sound = Annotated[
    Any,
    _text("FILE_OR_URL", "A WAV or MP3 of 3 to 30 s to use as the video's audio.", "--audio"),
]
References = Annotated[
    list[str] | None,
    _text(
        "FILE_OR_URL",
        "A clip or an image; repeat the option for up to five. The first you type is character1.",
    ),
]
Clips = Annotated[
    list[str] | None, _text("FILE_OR_URL", "A clip, whatever its extension; up to three.")
]
Images = Annotated[
    list[str] | None,
    _text("FILE_OR_URL", "An image, whatever its extension; up to five references in all."),
]

# of a command
Out = Annotated[Path | None, _path("Copy the video to this file, or into this folder.")]
NewTake = Annotated[
    bool,
    Option("--new-take", help="Run again, and pay again, even if the same video was made before."),
]
Yes = Annotated[
    bool, Option("--yes", help="Skip the cost confirmation; required where there is no terminal.")
]
Output = Annotated[
    Path | None,
    _path("Where to write the request; OUTPUT_DIR/aliyun-wan-r2v/request.json by default."),
]
Response = Annotated[
    Path | None, _path("Check the JSON of a response; with options of a request, write that too.")
]
Limit = Annotated[int, Option(min=0, max=999_999, help="How many at most.")]
Month = Annotated[str, _text("YYYY-MM", "A month other than this one.")]
Csv = Annotated[bool, Option("--csv", help="Print every job as CSV.")]
Archive = Annotated[
    Path | None,
    _path(
        "Pack the record and the video into this zip file; beside the record by default.", "--zip"
    ),
]
Port = Annotated[str, Option(metavar="PORT", help="Where to listen.")]
Pending = Annotated[str | None, Option(metavar="SECONDS", help="How long a task waits.")]
Running = Annotated[str | None, Option(metavar="SECONDS", help="How long a task runs.")]
Faults = Annotated[
    list[str] | None,
    Option(metavar="VERB:FAULT[:COUNT]", help="Answer wrongly, for tests; may be repeated."),
]


class InTypedOrder(TyperCommand):
    """A command that remembers the order in which its options were typed: see `typed_order`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Ask the parser for the order too, which typer drops."""
        _, _, order = self.make_parser(ctx).parse_args(list(args))
        ctx.meta[_ORDER] = [one.name for one in order]
        return super().parse_args(ctx, args)


class OptionalArchiveName(TyperCommand):
    """A command whose `--zip` may stand without a name, which is "" then."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the empty name where none follows."""
        given = []
        for arg, following in zip(args, [*args[1:], "--"], strict=True):
            given += [arg, ""] if arg == "--zip" and following.startswith("-") else [arg]
        return super().parse_args(ctx, given)


def typed_order(ctx: Any, *names: str) -> list[tuple[str, Any]]:
    """Return the values of options that may be repeated, each with the name of its option, in the
    order in which they were typed.
    """
    values = {name: iter(ctx.params[name] or ()) for name in names}
    return [(name, next(values[name])) for name in ctx.meta[_ORDER] if name in values]
