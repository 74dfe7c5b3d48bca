"""What can be typed after `python -m wan`, and what its help says.

Values are checked by the request models, so that every door refuses in the same words. A command's
module is loaded when it is run, so that `--help` is there at once.
"""

import sys
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer
from typer import Argument, Context, Option
from typer._completion_classes import completion_init
from typer.core import TyperCommand
from typer.main import get_command

from wan.cli.answers import FAILED, Answer, deliver, not_written, refusal, refused, tell
from wan.cli.completion import COMPLETE, show_script
from wan.cli.parsing import InTypedOrder, OptionalZipName, job_id, number, typed_order
from wan.domain import catalog

PROGRAM = "python -m wan"
_INTERRUPTED = 130  # what typer makes of Ctrl-C
_ABOUT = """Make videos from images and references with Alibaba's Wan 2.6 models.

With a key (DASHSCOPE_API_KEY) videos are made by the service and cost money; you are asked first.
Without one, a simulator on this machine makes simulated videos for free."""
_EPILOG = """\b
Examples:
  python -m wan check                                        Does the connection work?
  python -m wan image-to-video face.png --prompt "she smiles" --out smile.mp4
  python -m wan jobs                                         What has been made?
  python -m wan evidence JOB --zip                           Pack the record of a run.

COMMAND --help tells more about each command. Exit codes: 0 done, 1 failed, 2 bad input or
settings, 3 our own disk or database is full or stuck; with 2 and 3 nothing was sent."""

app = typer.Typer(
    help=_ABOUT,
    epilog=_EPILOG,
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"max_content_width": 100},
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        answer = _answer(given)
    except KeyboardInterrupt:
        from wan.domain.messages import t

        tell("")
        answer = refusal(t("en", "cli_stopped"), code=FAILED)
    except OSError as trouble:  # typer had something to print
        return not_written(trouble)
    if isinstance(answer, int):  # after --help
        return answer
    return deliver(answer, as_json="--json" in given or given[:1] == ["prepare"])


def _answer(given: list[str]) -> Answer | int:
    completion_init()
    try:
        answer: Answer | int = get_command(app).main(
            given, prog_name=PROGRAM, complete_var=COMPLETE, standalone_mode=False
        )
    except typer.TyperException as wrong:
        path = ctx.command_path if (ctx := getattr(wrong, "ctx", None)) else PROGRAM
        message = " ".join(wrong.format_message().split()).rstrip(".")
        return refusal(f"{path}: {message}; see {path} --help")
    if answer == _INTERRUPTED:
        raise KeyboardInterrupt
    return answer


# options that several commands have ---------------------------------------------------------------


def _choice(about: str, *values: str) -> Any:
    """An option of which the shell knows the values."""

    def completed(incomplete: str) -> list[str]:
        return [one for one in values if one.startswith(incomplete)]

    return Option(metavar="NAME", help=about, autocompletion=completed)


def _text(about: str) -> Any:
    """An option for text, whatever its characters."""
    return Option(parser=str, metavar="TEXT", help=about, show_default=False)


def _number(about: str) -> Any:
    return Option(parser=number, metavar="NUMBER", help=about)


def _file(about: str, *names: str) -> Any:
    return Option(*names, parser=Path, metavar="FILE", help=about)


def _media(about: str, *names: str) -> Any:
    return Option(*names, parser=str, metavar="FILE_OR_URL", help=about)


Json = Annotated[bool, Option("--json", help="Print one JSON object.", expose_value=False)]
Job = Annotated[str, Argument(metavar="JOB", parser=job_id, help="The id of a job.")]
Out = Annotated[Path | None, _file("Copy the video to this file.")]
Prompt = Annotated[str, _text("What happens in the video.")]
NegativePrompt = Annotated[str, _text("What to avoid.")]
Duration = Annotated[Any, _number("Length in whole seconds.")]
Size = Annotated[str, _choice("One of the ten W*H.", *catalog.SIZES)]
ImageSize = Annotated[
    str,
    _choice(
        "One of the ten W*H, or 720P or 1080P for the image's own shape.",
        *catalog.SIZES,
        *("720P", "1080P"),
    ),
]
Fps = Annotated[Any, _number("Frames per second; the service's own (30) unless given.")]
Seed = Annotated[Any, _number("Reuse a seed for similar results; drawn at random unless given.")]
Model = Annotated[str, _choice("The model that makes it.", *catalog.MODELS)]
NoAudio = Annotated[bool, Option("--no-audio", help="Without sound, where the model can.")]
Watermark = Annotated[bool, Option("--watermark", help="Add the service's watermark.")]
ShotType = Annotated[str, _choice("single or multi.", "single", "multi")]
NewTake = Annotated[
    bool, Option("--new-take", help="Run again, and pay again, even if the same was made before.")
]
Yes = Annotated[
    bool, Option("--yes", help="Skip the cost confirmation; required where there is no terminal.")
]


# commands -----------------------------------------------------------------------------------------


def _command(
    name: str, *examples: str, cls: type[TyperCommand] = TyperCommand
) -> Callable[[Callable[..., Answer]], Callable[..., Answer]]:
    """Register a command, with examples of what to type behind its name. It always answers."""
    lines = "\n".join(f"  {PROGRAM} {name} {example}".rstrip() for example in examples)

    def register(work: Callable[..., Answer]) -> Callable[..., Answer]:
        @wraps(work)
        def answered(*given: Any, **options: Any) -> Answer:
            from wan.domain.redact import guard_logs

            guard_logs()
            try:
                return work(*given, **options)
            except Exception as error:  # noqa: BLE001 - whatever it is, there is one answer
                return refused(error, name)

        return app.command(name, cls=cls, epilog=f"\b\nExamples:\n{lines}")(answered)

    return register


@app.callback()
def _start(
    *,
    show_completion: Annotated[
        bool,
        Option(
            "--show-completion",
            callback=show_script,
            is_eager=True,
            expose_value=False,
            help="Print a script for bash or zsh: `wan` is this program, with completion.",
        ),
    ] = False,
) -> None:
    """The options of the program itself."""


@_command("check", "", "--json")
def check(*, json: Json = False) -> Answer:
    """Check the connection to the service, free of charge.

    One question that costs nothing tells whether connection, key, region and permissions work.
    """
    from wan.cli import inspect

    return inspect.check()


@_command(
    "prepare",
    '--prompt "character1 waves" --reference-video clip.mp4 --duration 5',
    "--validate-response response.json",
)
def prepare(
    ctx: Context,
    *,
    prompt: Annotated[
        str | None, _text("What happens in the video; character1 is the first reference video.")
    ] = None,
    reference_video: Annotated[list[str] | None, _media("A clip; up to three.")] = None,
    reference_image: Annotated[
        list[str] | None, _media("An image; up to five references in all.")
    ] = None,
    duration: Annotated[Any, _number("Whole seconds, 2 to 10.")] = None,
    fps: Annotated[Any, _number("Frames per second, 1 to 60.")] = None,
    size: Annotated[str | None, _text("One of the ten W*H.")] = None,
    seed: Annotated[Any, _number("0 to 2147483647.")] = None,
    output: Annotated[
        Path | None, _file("Where to write it; OUTPUT_DIR/aliyun-wan-r2v/request.json by default.")
    ] = None,
    validate_response: Annotated[
        Path | None, _file("Check the JSON of a response instead, or as well.")
    ] = None,
    json: Json = False,
) -> Answer:
    """Write and check a request; nothing is sent.

    It is the normalised request of a reference-to-video run. The answer is always JSON.
    """
    from wan.cli.prepare import prepare

    return prepare(ctx.params)


@_command(
    "image-to-video",
    'face.png --prompt "she smiles" --duration 5 --size 1280*720 --out smile.mp4',
    'face.png --prompt "she smiles" --json --yes',
)
def image_to_video(
    ctx: Context,
    reference_image: Annotated[
        str,
        Argument(
            metavar="IMAGE",
            parser=str,
            help="A JPEG, PNG, BMP, WebP, HEIC or AVIF file, or an http(s) URL.",
        ),
    ],
    *,
    prompt: Prompt = "",
    negative_prompt: NegativePrompt = "",
    duration: Duration = 5,
    size: ImageSize = "1280*720",
    fit: Annotated[
        str, _choice("How to fit the image to the size: crop or pad.", "crop", "pad")
    ] = "crop",
    fps: Fps = None,
    seed: Seed = None,
    motion_strength: Annotated[
        Any, _number("0 to 1; put into words in the prompt that is sent.")
    ] = None,
    reference_audio: Annotated[
        str | None,
        _media("A WAV or MP3 of 3 to 30 s that is heard under the video.", "--audio"),
    ] = None,
    no_audio: NoAudio = False,
    watermark: Watermark = False,
    shot_type: ShotType = "single",
    model: Model = catalog.IMAGE_TO_VIDEO,
    out: Out = None,
    new_take: NewTake = False,
    yes: Yes = False,
    json: Json = False,
) -> Answer:
    """Turn one image and a prompt into a video."""
    from wan.cli import run

    return run.image_to_video(ctx.params)


@_command(
    "reference-to-video",
    '--reference-video clip.mp4 --reference-image cat.png --prompt "character1 meets character2"',
    '--reference clip.mp4 --prompt "character1 waves" --yes',
    cls=InTypedOrder,
)
def reference_to_video(
    ctx: Context,
    *,
    reference: Annotated[
        list[str] | None,
        _media("A clip or an image; repeat for up to five. character1 is the first of all."),
    ] = None,
    reference_video: Annotated[
        list[str] | None, _media("A clip, whatever its name ends in.")
    ] = None,
    reference_image: Annotated[
        list[str] | None, _media("An image, whatever its name ends in.")
    ] = None,
    prompt: Prompt = "",
    negative_prompt: NegativePrompt = "",
    duration: Duration = 5,
    size: Size = "1280*720",
    fps: Fps = None,
    seed: Seed = None,
    no_audio: NoAudio = False,
    watermark: Watermark = False,
    shot_type: ShotType = "single",
    model: Model = catalog.REFERENCE_TO_VIDEO,
    out: Out = None,
    new_take: NewTake = False,
    yes: Yes = False,
    json: Json = False,
) -> Answer:
    """Put people and things of references in a new video."""
    from wan.cli import run

    order = typed_order(ctx, "reference", "reference_video", "reference_image")
    return run.reference_to_video(ctx.params, order)


@_command("jobs", "", "--limit 50 --json")
def jobs(
    limit: Annotated[int, Option(min=0, max=999_999, help="How many at most.")] = 20,
    *,
    json: Json = False,
) -> Answer:
    """List the jobs of scripts and commands, newest first."""
    from wan.cli import inspect

    return inspect.jobs(limit)


@_command("show", "JOB")
def show(job: Job, *, json: Json = False) -> Answer:
    """Show a job's details."""
    from wan.cli import inspect

    return inspect.show(job)


@_command("resume", "JOB", "JOB --out video.mp4")
def resume(job: Job, *, out: Out = None, json: Json = False) -> Answer:
    """Resume a job; nothing is sent or paid twice."""
    from wan.cli import run

    return run.resume(job, out)


@_command("cancel", "JOB")
def cancel(job: Job, *, json: Json = False) -> Answer:
    """Cancel a job; free until the service has started it."""
    from wan.cli import run

    return run.cancel(job)


@_command("evidence", "JOB", "JOB --zip run.zip", cls=OptionalZipName)
def evidence(
    job: Job,
    *,
    zip_file: Annotated[
        Path | None, _file("Pack them with the video; beside the record by default.", "--zip")
    ] = None,
    json: Json = False,
) -> Answer:
    """List or pack the record of a run."""
    from wan.cli import inspect

    return inspect.evidence(job, zip_file)


@_command("simulate", "--port 8400")
def simulate(
    port: Annotated[str, Option(metavar="PORT")] = "8400",
    pending: Annotated[str | None, Option(metavar="SECONDS", help="How long a task waits.")] = None,
    running: Annotated[str | None, Option(metavar="SECONDS", help="How long a task runs.")] = None,
    fault: Annotated[
        list[str] | None,
        Option(metavar="VERB:FAULT[:COUNT]", help="Answer wrongly, for tests; may be repeated."),
    ] = None,
) -> Answer:
    """Serve the simulator for any DashScope client."""
    from wan.cli.simulate import simulate

    return simulate(port, pending, running, fault or [])
