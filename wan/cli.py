"""The command line: `python -m wan …`. Exit codes: 0 done, 1 failed, 2 bad input or settings, 3 our own disk or database is full or stuck.

With 2 and 3 nothing was sent; after 3 the same command may be tried again later.
"""

import argparse
import asyncio
import json
import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from wan import catalog
from wan.catalog import MODELS
from wan.errors import InvalidInput, NotKept, WanError
from wan.jobs import Job, JobEvent, JobState
from wan.redact import guard_logs
from wan.requests import ImageToVideoRequest, ReferenceToVideoRequest, Request, VideoResult, kind_of
from wan.settings import load_settings
from wan.studio import Studio

DONE, FAILED, BAD_INPUT, NOT_KEPT = 0, 1, 2, 3
OWNER = "command line"  # whose jobs these are: anybody who can run commands here
_BAR = 24  # characters


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command. Gives the exit code."""
    guard_logs()
    options = _parser().parse_args(arguments)
    if options.command == "simulate":
        return _simulate(options)
    try:
        return asyncio.run(_generate(_REQUESTS[options.command](options), options))
    except WanError as error:
        _complain(error, as_json=options.json)
        return NOT_KEPT if isinstance(error, NotKept) else BAD_INPUT
    except KeyboardInterrupt:
        print("\nStopped watching. The job is kept and goes on when the app or another command runs with this OUTPUT_DIR.", file=sys.stderr)
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m wan", description="Videos from pictures and references with Alibaba's Wan 2.6 models.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    image = commands.add_parser("image-to-video", help="one picture and a prompt become a clip")
    image.add_argument("image", help="a JPEG, PNG, BMP or WebP file, or an http(s) URL")
    image.add_argument("--fit", default="crop", help="how the picture gets the shape of the size: crop (default) or pad")
    image.add_argument("--motion-strength", type=_number, help="0 to 1; put into words in the prompt")
    _common(image, catalog.IMAGE_TO_VIDEO, "one of the ten W*H, or 720P / 1080P for the picture's own shape")
    reference = commands.add_parser("reference-to-video", help="people and things of references appear in a new clip")
    reference.add_argument(
        "--reference", action="append", default=[], metavar="FILE_OR_URL", help="a clip or picture; repeat for up to five; videos are numbered first"
    )
    _common(reference, catalog.REFERENCE_TO_VIDEO, "one of the ten W*H")
    simulate = commands.add_parser("simulate", help="serve the simulator of the service, for any DashScope client")
    simulate.add_argument("--port", type=int, default=8400)
    simulate.add_argument("--pending", type=float, help="seconds that a task waits")
    simulate.add_argument("--running", type=float, help="seconds that a task runs")
    simulate.add_argument("--fault", action="append", default=[], metavar="VERB:FAULT[:COUNT]", help="answer wrongly, for tests")
    return parser


def _common(parser: argparse.ArgumentParser, model: str, sizes: str) -> None:
    """The options that both kinds of video share. Values are checked by the request, so that every door refuses in the same words."""
    parser.add_argument("--prompt", required=True, help="what shall happen")
    parser.add_argument("--negative-prompt", default="", help="what shall not be seen")
    parser.add_argument("--duration", type=_number, default=5, help="whole seconds (default 5)")
    parser.add_argument("--size", default="1280*720", help=f"{sizes} (default 1280*720)")
    parser.add_argument("--fps", type=_number, help="frames per second; the service's own (30) unless given")
    parser.add_argument("--seed", type=_number, help="the same seed gives similar results; drawn unless given")
    parser.add_argument("--model", default=model, help=f"default {model}")
    parser.add_argument("--no-audio", dest="audio", action="store_false", help="without sound, where the model can")
    parser.add_argument("--watermark", action="store_true", help="with the service's mark")
    parser.add_argument("--shot-type", default="single", help="single (default) or multi")
    parser.add_argument("--new-take", action="store_true", help="run again, and pay again, even if the same was made before")
    parser.add_argument("--out", type=Path, metavar="FILE", help="copy the video here")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


_SHARED = ("prompt", "negative_prompt", "duration", "size", "fps", "seed", "model", "audio", "watermark", "shot_type")


def _image_request(options: argparse.Namespace) -> Request:
    shared = {name: getattr(options, name) for name in _SHARED}
    return ImageToVideoRequest(reference_image=_source(options.image), fit=options.fit, motion_strength=options.motion_strength, **shared)


def _reference_request(options: argparse.Namespace) -> Request:
    if options.model not in MODELS:
        return ReferenceToVideoRequest(prompt=options.prompt, model=options.model)  # which refuses it
    given = [_source(one) for one in options.reference]
    return ReferenceToVideoRequest(
        reference_video=tuple(one for one in given if kind_of(one) == "video"),
        reference_image=tuple(one for one in given if kind_of(one) == "image"),
        **{name: getattr(options, name) for name in _SHARED},
    )


_REQUESTS = {"image-to-video": _image_request, "reference-to-video": _reference_request}


def _source(given: str) -> Path | str:
    """On a command line text is a path, unless it is a URL."""
    return given if "://" in given else Path(given).expanduser()


def _number(text: str) -> Any:
    """A number where it is one; anything else is left for the request to refuse."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


async def _generate(request: Request, options: argparse.Namespace) -> int:
    if options.out is not None and not options.out.parent.is_dir():  # before anything is paid
        raise InvalidInput("--out", "field_type", given=str(options.out), allowed="a file in a folder that is there")
    async with Studio(load_settings()) as studio:
        job = await studio.submit(request, owner=OWNER, new_take=options.new_take)
        made_before = not job.live
        async with _Progress() as progress:
            async for event in studio.follow(job.id, owner=OWNER):
                job = event.job
                progress.show(event)
        return await _report(studio, studio.result(job, made_before=made_before), job, options)


async def _report(studio: Studio, result: VideoResult, job: Job, options: argparse.Namespace) -> int:
    video = await studio.media(job.media_token, "video.mp4")
    if video is not None and options.out is not None:
        await asyncio.to_thread(shutil.copyfile, video, options.out)
    if options.json:
        print(json.dumps(result.model_dump(), ensure_ascii=False, indent=2))
    elif job.state is JobState.SUCCEEDED:
        print(f"\n{options.out or video}")
        print(f"{job.width}x{job.height} · {job.fps:g} fps · {job.duration:.1f} s · seed {job.seed} · {_cost(result)}")
        print("".join(f"- {said}\n" for said in result.adjustments), end="")
    else:
        print(f"\n{result.error}\ntask {job.task_id or 'none'} · request {job.request_id or 'none'}", file=sys.stderr)
    return DONE if job.state is JobState.SUCCEEDED else FAILED


def _cost(result: VideoResult) -> str:
    if result.made_before:
        return "made before, free; --new-take makes another"
    return "simulated, free" if result.simulated else result.price or "price unknown"


class _Progress:
    """What the terminal shows of a job: a line that is written over, or one line for each change where the output goes to a file."""

    def __init__(self) -> None:
        self._event: JobEvent | None = None
        self._since = 0.0

    async def __aenter__(self) -> Self:
        self._clock = asyncio.create_task(self._tick()) if sys.stderr.isatty() else None
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._clock is not None:
            self._clock.cancel()
            print(file=sys.stderr)

    def show(self, event: JobEvent) -> None:
        """Something has changed."""
        self._event, self._since = event, time.monotonic() - event.elapsed
        if self._clock is None:
            print(event.sentence, file=sys.stderr, flush=True)

    async def _tick(self) -> None:
        while True:
            if self._event is not None:
                print(f"\r\x1b[2K{self._line(self._event)}", end="", file=sys.stderr, flush=True)
            await asyncio.sleep(0.5)

    def _line(self, event: JobEvent) -> str:
        seconds = time.monotonic() - self._since
        part = min(seconds / event.expected, 0.95) if event.job.state is JobState.RUNNING else float(event.job.state is JobState.FETCHING)
        bar = "#" * round(_BAR * part)
        return f"[{bar:<{_BAR}}] {int(seconds) // 60}:{int(seconds) % 60:02} {event.sentence}"


def _complain(error: WanError, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"error": str(error), "field": getattr(error, "field", None)}, ensure_ascii=False))
    print(str(error), file=sys.stderr)


def _simulate(options: argparse.Namespace) -> int:
    """Becomes the simulator: it shares no code with the client, so it is a program of its own."""
    settings = load_settings()
    folder = settings.output_dir.absolute() / "simulator"
    pending = settings.simulator_pending if options.pending is None else options.pending
    running = settings.simulator_running if options.running is None else options.running
    given = ["--dir", str(folder), "--port", str(options.port), "--pending", str(pending), "--running", str(running)]
    faults = [word for fault in options.fault for word in ("--fault", fault)]
    os.execv(sys.executable, [sys.executable, "-m", "wan.simulator", *given, *faults])  # noqa: S606 - our own program, no shell
    return DONE
