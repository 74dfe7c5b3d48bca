"""What can be typed after `python -m wan`, and what is said about it. Loads nothing but the
catalog.

Values are checked by the request, so that every door refuses in the same words.
"""

import argparse
from pathlib import Path
from typing import Any, NoReturn

from wan.domain import catalog

WHERE = {  # the module of each command
    "check": "looking",
    "prepare": "prepare",
    "image-to-video": "making",
    "reference-to-video": "making",
    "jobs": "looking",
    "show": "looking",
    "resume": "making",
    "cancel": "making",
    "evidence": "looking",
    "simulate": "simulate",
}
_ABOUT = """Videos from pictures and references with Alibaba's Wan 2.6 models.

With a key (DASHSCOPE_API_KEY) videos are made at the service and cost money; you are asked first.
Without one, a simulator on this machine makes simulated ones for nothing."""
_START = """the usual way:
  python -m wan check                                                     does the connection work?
  python -m wan image-to-video face.png --prompt "she smiles" --out a.mp4
  python -m wan jobs                                                      what has been made
  python -m wan evidence JOB --zip                                        the record of a run

COMMAND --help tells more about each. Exit codes: 0 done, 1 failed, 2 bad input or settings,
3 our own disk or database is full or stuck; with 2 and 3 nothing was sent."""


class UsageError(Exception):
    """What was typed is no command line; says why, in one line."""


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{self.prog}: {' '.join(message.split())}; see {self.prog} --help")


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    whole = _Parser(
        prog="python -m wan",
        description=_ABOUT,
        epilog=_START,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _check(commands)
    _prepare(commands)
    _image(commands)
    _reference(commands)
    _about_jobs(commands)
    _simulate(commands)
    return whole


def _command(commands: Any, name: str, about: str, examples: str) -> argparse.ArgumentParser:
    lines = "\n".join(f"  python -m wan {name} {line}".rstrip() for line in examples.split("\n"))
    made: argparse.ArgumentParser = commands.add_parser(
        name,
        help=about,
        description=f"{about[0].upper()}{about[1:]}.",
        epilog=f"examples:\n{lines}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    if name != "simulate":
        made.add_argument("--json", action="store_true", help="print one JSON object")
    return made


def _check(commands: Any) -> None:
    _command(
        commands,
        "check",
        "ask the service one question that costs nothing: do connection, key, region and "
        "permissions work",
        "\n--json",
    )


def _prepare(commands: Any) -> None:
    about = (
        "write the normalised request of a reference-to-video run, and check it; nothing is sent"
    )
    examples = (
        '--prompt "character1 waves" --reference-video clip.mp4 --duration '
        "5\n--validate-response response.json"
    )
    prepare = _command(commands, "prepare", about, examples)
    prepare.set_defaults(json=True)  # as whoever calls it expects
    prepare.add_argument(
        "--prompt", help="what shall happen; character1 is the first reference video"
    )
    prepare.add_argument(
        "--reference-video",
        action="append",
        metavar="URL_OR_FILE",
        help="a clip; repeat for up to three",
    )
    prepare.add_argument(
        "--reference-image",
        action="append",
        metavar="URL_OR_FILE",
        help="a picture; repeat, five references in all",
    )
    prepare.add_argument("--duration", type=_number, help="whole seconds, 2 to 10")
    prepare.add_argument("--fps", type=_number, help="frames per second, 1 to 60")
    prepare.add_argument("--size", help="one of the ten W*H")
    prepare.add_argument("--seed", type=_number, help="0 to 2147483647")
    prepare.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="where to write it (default OUTPUT_DIR/aliyun-wan-r2v/request.json)",
    )
    prepare.add_argument(
        "--validate-response",
        type=Path,
        metavar="FILE",
        help="check the JSON of a response instead, or as well",
    )


def _image(commands: Any) -> None:
    examples = (
        'face.png --prompt "she smiles" --duration 5 --size 1280*720 --fps 30 --out '
        'smile.mp4\nface.png --prompt "she smiles" --json --yes'
    )
    image = _command(commands, "image-to-video", "one picture and a prompt become a clip", examples)
    image.add_argument("image", help="a JPEG, PNG, BMP, WebP, HEIC or AVIF file, or an http(s) URL")
    image.add_argument(
        "--fit",
        default="crop",
        help="how the picture gets the shape of the size: crop (default) or pad",
    )
    image.add_argument(
        "--motion-strength", type=_number, help="0 to 1; put into words in the prompt"
    )
    sounds = (
        "a WAV or MP3 file of 3 to 30 s that is heard under the video, or an http(s) URL of one"
    )
    image.add_argument("--audio", dest="reference_audio", metavar="FILE_OR_URL", help=sounds)
    _run(
        image,
        catalog.IMAGE_TO_VIDEO,
        "one of the ten W*H, or 720P / 1080P for the picture's own shape",
    )


class _InOrder(argparse.Action):
    """Keeps what several options give in the order in which they stand, each with the option's
    `const`.
    """

    def __call__(
        self, _: object, options: argparse.Namespace, given: Any, option: str | None = None
    ) -> None:
        setattr(options, self.dest, [*getattr(options, self.dest), (self.const, given)])


def _reference(commands: Any) -> None:
    examples = (
        '--reference-video clip.mp4 --reference-image cat.png --prompt "character1 meets '
        'character2"',
        '--reference clip.mp4 --prompt "character1 waves" --yes',
    )
    reference = _command(
        commands,
        "reference-to-video",
        "people and things of references appear in a new clip",
        "\n".join(examples),
    )
    one: dict[str, Any] = {
        "action": _InOrder,
        "dest": "references",
        "default": [],
        "metavar": "FILE_OR_URL",
    }
    reference.add_argument(
        "--reference",
        **one,
        const="",
        help="a clip or picture; repeat for up to five; character1 is the first of all",
    )
    reference.add_argument(
        "--reference-video", **one, const="video", help="a clip, whatever its name ends in"
    )
    reference.add_argument(
        "--reference-image", **one, const="image", help="a picture, whatever its name ends in"
    )
    _run(reference, catalog.REFERENCE_TO_VIDEO, "one of the ten W*H")


def _about_jobs(commands: Any) -> None:
    jobs = _command(
        commands,
        "jobs",
        "list what scripts and commands have made here, the newest first",
        "\n--limit 50 --json",
    )
    jobs.add_argument("--limit", type=_limit, default=20, help="how many at most (default 20)")
    _command(commands, "show", "tell all about a job", "JOB").add_argument(
        "job", metavar="JOB", type=_id
    )
    resume = _command(
        commands,
        "resume",
        "go on with a job, and wait for its video; nothing is sent or paid twice",
        "JOB\nJOB --out video.mp4",
    )
    resume.add_argument("job", metavar="JOB", type=_id)
    resume.add_argument("--out", type=Path, metavar="FILE", help="copy the video here")
    _command(
        commands, "cancel", "cancel a job; free until the service has started it", "JOB"
    ).add_argument("job", metavar="JOB", type=_id)
    evidence = _command(
        commands,
        "evidence",
        "name the files of a run's record, or pack them with the video",
        "JOB\nJOB --zip run.zip",
    )
    evidence.add_argument("job", metavar="JOB", type=_id)
    evidence.add_argument(
        "--zip",
        type=Path,
        nargs="?",
        const=Path(),
        metavar="FILE",
        help="pack it (default beside the record)",
    )


def _simulate(commands: Any) -> None:
    simulate = _command(
        commands,
        "simulate",
        "serve the simulator of the service, for any DashScope client",
        "--port 8400",
    )
    simulate.add_argument("--port", default="8400")
    simulate.add_argument("--pending", help="seconds that a task waits")
    simulate.add_argument("--running", help="seconds that a task runs")
    simulate.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="VERB:FAULT[:COUNT]",
        help="answer wrongly, for tests",
    )


def _run(made: argparse.ArgumentParser, model: str, sizes: str) -> None:
    """The options that both kinds of video share."""
    made.add_argument("--prompt", default="", help="what shall happen")
    made.add_argument("--negative-prompt", default="", help="what shall not be seen")
    made.add_argument("--duration", type=_number, default=5, help="whole seconds (default 5)")
    made.add_argument("--size", default="1280*720", help=f"{sizes} (default 1280*720)")
    made.add_argument(
        "--fps", type=_number, help="frames per second; the service's own (30) unless given"
    )
    made.add_argument(
        "--seed", type=_number, help="the same seed gives similar results; drawn unless given"
    )
    made.add_argument("--model", default=model, help=f"default {model}")
    made.add_argument(
        "--no-audio", dest="audio", action="store_false", help="without sound, where the model can"
    )
    made.add_argument("--watermark", action="store_true", help="with the service's mark")
    made.add_argument("--shot-type", default="single", help="single (default) or multi")
    made.add_argument(
        "--new-take",
        action="store_true",
        help="run again, and pay again, even if the same was made before",
    )
    made.add_argument(
        "--yes",
        action="store_true",
        help="spend the money without asking; needed where there is no terminal",
    )
    made.add_argument("--out", type=Path, metavar="FILE", help="copy the video here")


def _limit(text: str) -> int:
    if not text.isdecimal() or len(text) > 6:
        raise argparse.ArgumentTypeError("allowed is a whole number from 0 to 999999")
    return int(text)


def _id(text: str) -> str:
    """An id; what is no text becomes some that no id is."""
    return text.encode(errors="replace").decode()


def _number(text: str) -> int | float | str:
    """A number where it is one; anything else is left for the request to refuse."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
