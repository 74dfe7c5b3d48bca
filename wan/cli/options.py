"""The options of the command line with their help, and what typer does not do by itself: the order
of several options, and a value that may be left out.

Values of a request's fields are `Any` here: the request models check them.
"""

from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option
from typer.core import TyperCommand

from wan.cli.completion import show_script
from wan.domain import catalog

_ORDER = "wan.order"


def _number(text: str) -> int | float | str:
    """A number where it is one; anything else is left for the request to refuse."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _job_id(text: str) -> str:
    """An id; what is no text becomes some that no id is."""
    return text.encode(errors="replace").decode()


def _text(metavar: str, about: str, *names: str) -> Any:
    """An option for text as it was typed, be it valid Unicode or not."""
    return Option(*names, parser=str, metavar=metavar, help=about, show_default=False)


def _figure(metavar: str, about: str) -> Any:
    return Option(parser=_number, metavar=metavar, help=about)


def _path(about: str, *names: str) -> Any:
    return Option(*names, parser=Path, metavar="FILE", help=about)


def _choice(about: str, *values: str) -> Any:
    """An option whose values the shell can complete."""

    def completed(incomplete: str) -> list[str]:
        return [one for one in values if one.startswith(incomplete)]

    return Option(metavar="NAME", help=about, autocompletion=completed)


Json = Annotated[bool, Option("--json", help="Print one JSON object.", expose_value=False)]
Job = Annotated[str, Argument(metavar="JOB", parser=_job_id, help="The id of a job.")]
ShowCompletion = Annotated[
    bool,
    Option(
        "--show-completion",
        callback=show_script,
        is_eager=True,
        expose_value=False,
        help="Print a script for bash or zsh: `wan` is this program, with completion.",
    ),
]

# of a request, by the names of its fields
Prompt = Annotated[Any, _text("TEXT", "What happens in the video.")]
NegativePrompt = Annotated[Any, _text("TEXT", "What to avoid.")]
Duration = Annotated[Any, _figure("SECONDS", "Length in whole seconds.")]
Size = Annotated[Any, _choice("One of the ten W*H.", *catalog.SIZES)]
ImageSize = Annotated[
    Any,
    _choice(
        "One of the ten W*H, or 720P or 1080P for the image's own shape.",
        *(*catalog.SIZES, "720P", "1080P"),
    ),
]
Fit = Annotated[Any, _choice("How to fit the image to the size: crop or pad.", "crop", "pad")]
Fps = Annotated[
    Any, _figure("NUMBER", "Frames per second, 1 to 60; the service's own (30) unless given.")
]
Seed = Annotated[
    Any,
    _figure("NUMBER", "0 to 2147483647; reuse one for similar results; random unless given."),
]
MotionStrength = Annotated[
    Any, _figure("NUMBER", "0 to 1; put into words in the prompt that is sent.")
]
Model = Annotated[Any, _choice("The model that makes it.", *catalog.MODELS)]
NoAudio = Annotated[bool, Option("--no-audio", help="Without sound, where the model can.")]
Watermark = Annotated[bool, Option("--watermark", help="Add the service's watermark.")]
ShotType = Annotated[Any, _choice("single or multi.", "single", "multi")]
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
    _text("FILE_OR_URL", "A WAV or MP3 of 3 to 30 s that is heard under the video.", "--audio"),
]
References = Annotated[
    list[str] | None,
    _text(
        "FILE_OR_URL",
        "A clip or an image; repeat it for up to five. character1 is the first of all.",
    ),
]
Clips = Annotated[
    list[str] | None, _text("FILE_OR_URL", "A clip, whatever its name ends in; up to three.")
]
Images = Annotated[
    list[str] | None, _text("FILE_OR_URL", "An image, whatever its name ends in; five in all.")
]

# of a command
Out = Annotated[Path | None, _path("Copy the video to this file.")]
NewTake = Annotated[
    bool, Option("--new-take", help="Run again, and pay again, even if the same was made before.")
]
Yes = Annotated[
    bool, Option("--yes", help="Skip the cost confirmation; required where there is no terminal.")
]
Output = Annotated[
    Path | None, _path("Where to write it; OUTPUT_DIR/aliyun-wan-r2v/request.json by default.")
]
Response = Annotated[Path | None, _path("Check the JSON of a response instead, or as well.")]
Limit = Annotated[int, Option(min=0, max=999_999, help="How many at most.")]
Archive = Annotated[
    Path | None, _path("Pack it with the video; beside the record by default.", "--zip")
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
    """The values of options that may be repeated, in the order in which they were typed, each with
    the name of its option.
    """
    values = {name: iter(ctx.params[name] or ()) for name in names}
    return [(name, next(values[name])) for name in ctx.meta[_ORDER] if name in values]
