"""What can be typed after `python -m wan`, and what its help says.

Values are checked by the request models, so that every door refuses in the same words. A command's
module is loaded when it is run, so that `--help` is there at once.
"""

import sys
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import typer
from typer import Context
from typer._completion_classes import completion_init
from typer.core import TyperCommand
from typer.main import get_command

from wan.cli import options as opt
from wan.cli.answers import FAILED, Answer, answer_error, deliver, refusal, report_lost_output, tell
from wan.cli.completion import COMPLETE
from wan.cli.options import InTypedOrder, OptionalArchiveName, typed_order, with_request_options

PROGRAM = "python -m wan"
_INTERRUPTED = 130  # what typer makes of Ctrl-C
_ABOUT = """Make videos from images and references with Alibaba's Wan 2.6 models.

With a key (DASHSCOPE_API_KEY or ~/.alibabacloud/credentials), videos are made by the service and
cost money; you are asked first, except with --yes or when you use resume.
Without one, a simulator on this machine makes simulated videos for free."""
_EPILOG = """\b
Examples:
  python -m wan check                                        Does the connection work?
  python -m wan image-to-video face.png --prompt "she smiles" --out smile.mp4
  python -m wan jobs                                         What has been made?
  python -m wan evidence JOB --zip                           Pack the record of a run.

COMMAND --help tells you more about each command. Exit codes: 0 done, 1 failed, 2 bad input or
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
        key = "cli_stopped_jobless" if given[:1] == ["password"] else "cli_stopped"
        answer = refusal(t("en", key), code=FAILED)
    except OSError as trouble:  # typer had something to print
        return report_lost_output(trouble)
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


def _command(
    name: str, *examples: str, cls: type[TyperCommand] = TyperCommand
) -> Callable[[Callable[..., Answer]], Callable[..., Answer]]:
    """Register a command, with examples of what to type behind its name. It always answers."""
    lines = "\n".join(f"  {PROGRAM} {name} {example}".rstrip() for example in examples)

    def register(work: Callable[..., Answer]) -> Callable[..., Answer]:
        @wraps(work)
        def answer(*given: Any, **options: Any) -> Answer:
            from wan.domain.redact import guard_logs

            guard_logs()
            try:
                return work(*given, **options)
            except Exception as error:  # noqa: BLE001 - whatever it is, there is one answer
                return answer_error(error, name)

        return app.command(name, cls=cls, epilog=f"\b\nExamples:\n{lines}")(answer)

    return register


@app.callback()
def _start(*, show_completion: opt.ShowCompletion = False) -> None:
    """The options of the program itself."""


@_command("check", "", "--json")
def check(*, json: opt.Json = False) -> Answer:
    """Check the connection to the service, free of charge.

    One free request shows whether the connection, key, region and permissions work.
    """
    from wan.cli import inspect

    return inspect.check()


@_command(
    "prepare",
    '--prompt "character1 waves" --reference-video clip.mp4 --duration 5',
    "--validate-response response.json",
)
@with_request_options(
    "reference", before="output", only=("prompt", "duration", "size", "fps", "seed")
)
def prepare(
    ctx: Context,
    *,
    reference_video: opt.Clips = None,
    reference_image: opt.Images = None,
    output: opt.Output = None,
    validate_response: opt.Response = None,
    json: opt.Json = False,
) -> Answer:
    """Check a request and write it to a file; nothing is sent.

    It is the request of a reference-to-video run, as it was typed. The answer is always JSON.
    """
    from wan.cli.prepare import prepare

    return prepare(ctx.params)


@_command(
    "image-to-video",
    'face.png --prompt "she smiles" --duration 5 --size 1280*720 --out smile.mp4',
    'face.png --prompt "she smiles" --json --yes',
)
@with_request_options("image", before="out")
def image_to_video(
    ctx: Context,
    reference_image: opt.Image,
    *,
    reference_audio: opt.Sound = None,
    out: opt.Out = None,
    new_take: opt.NewTake = False,
    yes: opt.Yes = False,
    json: opt.Json = False,
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
@with_request_options("reference", before="out")
def reference_to_video(
    ctx: Context,
    *,
    reference: opt.References = None,
    reference_video: opt.Clips = None,
    reference_image: opt.Images = None,
    out: opt.Out = None,
    new_take: opt.NewTake = False,
    yes: opt.Yes = False,
    json: opt.Json = False,
) -> Answer:
    """Put the people and things from references into a new video."""
    from wan.cli import run

    order = typed_order(ctx, "reference", "reference_video", "reference_image")
    return run.reference_to_video(ctx.params, order)


@_command("jobs", "", "--limit 50 --json")
def jobs(*, limit: opt.Limit = 20, json: opt.Json = False) -> Answer:
    """List the jobs of scripts and commands, newest first."""
    from wan.cli import inspect

    return inspect.jobs(limit)


@_command("show", "JOB")
def show(job: opt.Job, *, json: opt.Json = False) -> Answer:
    """Show a job's details."""
    from wan.cli import inspect

    return inspect.show(job)


@_command("resume", "JOB", "JOB --out video.mp4")
def resume(job: opt.Job, *, out: opt.Out = None, json: opt.Json = False) -> Answer:
    """Resume a job; nothing is sent or paid for twice.

    One that hasn't been sent yet is sent, and paid for, without asking.
    """
    from wan.cli import run

    return run.resume(job, out)


@_command("cancel", "JOB")
def cancel(job: opt.Job, *, json: opt.Json = False) -> Answer:
    """Cancel a job. This is free, and possible only until the service starts generating."""
    from wan.cli import run

    return run.cancel(job)


@_command("evidence", "JOB", "JOB --zip run.zip", cls=OptionalArchiveName)
def evidence(job: opt.Job, *, archive: opt.Archive = None, json: opt.Json = False) -> Answer:
    """List or pack the record of a run."""
    from wan.cli import inspect

    return inspect.evidence(job, archive)


@_command("spending", "", "--csv > spending.csv", "--month 2026-10 --json")
def spending(*, month: opt.Month = "", csv: opt.Csv = False, json: opt.Json = False) -> Answer:
    """Show who made what, and what it cost.

    Covers today and this month, in UTC, or the month you name.
    """
    from wan.cli.spending import spending

    return spending(month, as_csv=csv)


@_command("password", "", "< file")
def password(*, json: opt.Json = False) -> Answer:
    """Hash a password for WAN_LOGINS, so that it isn't stored there in plain text.

    You type it without it being shown, or it is read from a line of stdin.
    """
    from wan.cli.password import password

    return password()


@_command("simulate", "--port 8400")
def simulate(
    *,
    port: opt.Port = "8400",
    pending: opt.Pending = None,
    running: opt.Running = None,
    fault: opt.Faults = None,
) -> Answer:
    """Serve the simulator for any DashScope client."""
    from wan.cli.simulate import simulate

    return simulate(port, pending, running, fault or [])
