"""The two normalised calls for scripts and agents: `generate` makes a video from an image,
`generate_reference` from reference videos and images.

A request is a dict or a model of `wan.domain.requests`. Text that stands for an image or video is a
path here, unless it is an address (`https://…`). The settings are those of the environment. Every
call has a twin for async code, which begins with an `a`.

    from wan import video

    made = video.generate(
        {
            "prompt": "she smiles",
            "reference_image": "a.png",
            "duration": 5,
            "size": "1280*720",
            "fps": 30,
        }
    )
    print(made.video_url, made.duration, made.fps, made.seed)
"""

import asyncio
import stat
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from wan.domain.catalog import ORIGINAL
from wan.domain.errors import InvalidInput, WanError
from wan.domain.ids import OPERATOR
from wan.domain.jobs import Job, JobState
from wan.domain.messages import Message
from wan.domain.quoting import shorten
from wan.domain.requests import ImageToVideoRequest, ReferenceToVideoRequest
from wan.domain.results import RunFailed, VideoResult
from wan.domain.turns import Asker
from wan.environment.settings import load_settings
from wan.media import inputs
from wan.service.studio import Studio

_REQUIRED: dict[
    type, tuple[str, ...]
] = {  # by the normalised calls; the page and the command line have defaults
    ImageToVideoRequest: ("prompt", "reference_image", "duration", "size", "fps"),
    ReferenceToVideoRequest: ("prompt", "reference_video"),
}
# seconds that a call which does not wait for the video waits for the task id, while the job is in
# line
_TASK_WAIT = 60.0

Kind = TypeVar("Kind", ImageToVideoRequest, ReferenceToVideoRequest)
Result = TypeVar("Result")


def generate(
    request: Mapping[str, Any] | ImageToVideoRequest, *, wait: bool = True, new_take: bool = False
) -> VideoResult:
    """Make a video from one image, and return what was measured in its file. Blocks until it is
    there.

    request: `prompt`, `reference_image` (path, bytes or address), `duration` (2 to 15 s), `size`
    (`W*H` px, or "720P", "1080P"), `fps` (1 to 60); if wanted also `negative_prompt`,
    `motion_strength` (0 to 1), `seed`, `reference_audio` (WAV or MP3: path, bytes or address), and
    what else ImageToVideoRequest has. wait: False only submits, and returns `task_id` and `job_id`
    for `resume`. new_take: run, and pay, again even if the same was made before.

    Raises InvalidInput, SettingsError, AccessRefused, StorageUnavailable (nothing was sent), and
    RunFailed, which carries the result as far as there is one. An interrupt loses nothing: `python
    -m wan jobs` names the job, `resume` goes on with it.
    """
    return _run_blocking(agenerate(request, wait=wait, new_take=new_take))


def generate_reference(
    request: Mapping[str, Any] | ReferenceToVideoRequest,
    *,
    wait: bool = True,
    new_take: bool = False,
) -> VideoResult:
    """Make a video in which the people and things of references appear; character1 is the first of
    the videos, then of the images.

    request: `prompt`, `reference_video` (path, bytes or address, or a list of up to three); if
    wanted also `reference_image` (the same; five in all), `duration` (2 to 10 s, 5 unless given),
    `size`, `fps`, `seed`, and what else ReferenceToVideoRequest has. The rest as in `generate`.
    """
    return _run_blocking(agenerate_reference(request, wait=wait, new_take=new_take))


def resume(job_id: str, *, wait: bool = True) -> VideoResult:
    """Go on with a job of an earlier call, and return what came of it. Never sends or pays anything
    twice; what is not sent yet is sent.

    Raises InvalidInput for what is not text; JobNotFound; RunFailed as `generate` does; and
    WanError for a job on its way that was started with another key, region or backend.
    """
    return _run_blocking(aresume(job_id, wait=wait))


async def agenerate(
    request: Mapping[str, Any] | ImageToVideoRequest, *, wait: bool = True, new_take: bool = False
) -> VideoResult:
    """`generate` for async code."""
    return await _run(normalise(ImageToVideoRequest, request), wait=wait, new_take=new_take)


async def agenerate_reference(
    request: Mapping[str, Any] | ReferenceToVideoRequest,
    *,
    wait: bool = True,
    new_take: bool = False,
) -> VideoResult:
    """`generate_reference` for async code."""
    return await _run(normalise(ReferenceToVideoRequest, request), wait=wait, new_take=new_take)


async def aresume(job_id: str, *, wait: bool = True) -> VideoResult:
    """`resume` for async code."""
    if not isinstance(job_id, str):
        raise InvalidInput("job_id", "field_type", given=type(job_id).__name__, allowed="text")
    async with Studio(load_settings(), only_jobs_started_here=True) as studio:
        job = await find_resumable(studio, job_id)
        studio.submission.resume(job)
        return await _result(studio, await _watch(studio, job, wait=wait))


def normalise(kind: type[Kind], given: Mapping[str, Any] | Kind) -> Kind:
    """Return a request of a kind, checked as the normalised calls want it. Raises InvalidInput,
    which names the field.
    """
    if isinstance(given, kind):  # checked again: a copy with changes is not
        fields = {name: getattr(given, name) for name in given.model_fields_set}
    elif isinstance(given, Mapping):
        references = {
            name: locate(given[name])
            for name in ("reference_image", "reference_video", "reference_audio")
            if name in given
        }
        fields = {name: value for name, value in given.items() if value is not None} | references
    else:
        raise InvalidInput(
            "request",
            "field_type",
            given=type(given).__name__,
            allowed=f"a dict or {kind.__name__}",
        )
    request = _require_fields(kind.model_validate(fields), _REQUIRED[kind])
    check_files(request)
    return request


def locate(given: Any) -> Any:
    """Return text that stands for an image, video or sound as what it is: a path, unless it is an
    address. Lists one by one; anything else as it is.
    """
    if isinstance(given, list | tuple):
        return [locate(one) for one in given]
    if not isinstance(given, str) or not given or "://" in given:
        return given
    with suppress(RuntimeError):  # somebody's home who is not known here; the file is missing then
        return Path(given).expanduser()
    return Path(given)


def files_of(request: ImageToVideoRequest | ReferenceToVideoRequest) -> list[tuple[str, Path]]:
    """Return the files that a request names by their paths, each with its field."""
    if isinstance(request, ImageToVideoRequest):
        several = [
            ("reference_image", request.reference_image),
            ("reference_audio", request.reference_audio),
        ]
    else:
        several = [
            (field, one)
            for field in ("reference_video", "reference_image")
            for one in getattr(request, field)
        ]
    return [(field, one) for field, one in several if isinstance(one, Path)]


def check_files(request: ImageToVideoRequest | ReferenceToVideoRequest) -> None:
    """Check that a request's files are there. Raises InvalidInput, which names the whole path: it
    is for whoever wrote it, and for nobody else.
    """
    for field, path in files_of(request):
        check_file(field, path)


def check_file(field: str, path: Path) -> None:
    """Check that a file is there. Raises InvalidInput as `check_files` does."""
    given = shorten(str(path), 40 if str(path).startswith("data:") else 200)
    try:
        kind = path.stat().st_mode
    except (OSError, ValueError):  # ValueError: a name that no file can have
        raise InvalidInput(field, "file_missing", given=given) from None
    if not stat.S_ISREG(kind):
        raise InvalidInput(field, "file_odd", given=given)


@dataclass(frozen=True)
class Inspection:
    """What is known of a request's files before a run."""

    lengths: list[float | None]
    """Seconds of each reference video, None for an address."""
    enlarged: float = 1
    """How many times larger the image is shown in its video."""


async def inspect_files(request: ImageToVideoRequest | ReferenceToVideoRequest) -> Inspection:
    """Open every file of a request as a run would, and keep nothing.

    Raises InvalidInput and StorageUnavailable.
    """
    enlarged, framing = 1.0, {"size": ORIGINAL, "fit": "crop"}
    if isinstance(request, ImageToVideoRequest):
        pictures, clips = [request.reference_image], []
        framing = {"size": request.size, **request.framing}
    else:
        pictures, clips = list(request.reference_image), list(request.reference_video)
    for picture in pictures:
        if not isinstance(picture, str):
            image = await inputs.run_in_sandbox(
                Asker(), inputs.prepare_image, "reference_image", picture, **framing
            )
            enlarged = image.enlarged if request.makes() == "image" else enlarged
    if isinstance(request, ImageToVideoRequest) and request.reference_audio is not None:
        await inputs.run_in_sandbox(
            Asker(), inputs.check_sound, "reference_audio", request.reference_audio
        )
    lengths = [
        None
        if isinstance(one, str)
        else await inputs.run_in_sandbox(Asker(), inputs.video_seconds, one)
        for one in clips
    ]
    return Inspection(lengths, enlarged)


async def find_resumable(studio: Studio, job_id: str) -> Job:
    """Return a job that can be gone on with. Raises JobNotFound, and WanError where it waits for
    other settings.
    """
    job = await studio.library.get(job_id, owner=OPERATOR)
    if job.live and job.account != studio.access.connection.account:
        raise WanError(
            Message.of("resume_elsewhere", backend=job.backend, region=job.region or job.base_url)
        )
    return job


async def _run(
    request: ImageToVideoRequest | ReferenceToVideoRequest, *, wait: bool, new_take: bool
) -> VideoResult:
    async with Studio(load_settings(), only_jobs_started_here=True) as studio:
        job = await studio.submission.submit(request, owner=OPERATOR, new_take=new_take)
        return await _result(studio, await _watch(studio, job, wait=wait), made_before=not job.live)


async def _watch(studio: Studio, job: Job, *, wait: bool) -> Job:
    """Return the job when it has ended; unless that is waited for, when its task id is known, or
    nobody can know it soon.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(None if wait else _TASK_WAIT):
            async for event in studio.watching.follow(job.id, owner=OPERATOR):
                job = event.job
                if not wait and (job.task_id or job.state is JobState.UNCERTAIN):
                    break
    return job


async def _result(studio: Studio, job: Job, *, made_before: bool = False) -> VideoResult:
    """Return what came of a job. Raises RunFailed where it has ended without a video."""
    result = studio.library.result_of(
        job, made_before=made_before, evidence=await studio.library.complete_evidence(job)
    )
    if not job.live and job.state is not JobState.SUCCEEDED:
        raise RunFailed(result)
    return result


def _require_fields(request: Kind, required: Sequence[str]) -> Kind:
    """Refuse a request that does not say what the normalised calls want to be told."""
    for field in required:
        if field not in request.model_fields_set or not getattr(request, field):
            raise InvalidInput(field, "field_missing")
    return request


def _run_blocking(call: Coroutine[Any, Any, Result]) -> Result:
    """Run a call to its end. Where an event loop runs already, as in a notebook, run it beside that
    on a thread of its own.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(call)
    return _run_in_thread(call)


def _run_in_thread(call: Coroutine[Any, Any, Result]) -> Result:
    """Run a call on a thread of its own. An interrupt here ends it as it would there: in order, and
    waited for.
    """
    begun: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any] | None]] = []

    async def remember_task() -> Result:
        begun.append((asyncio.get_running_loop(), asyncio.current_task()))
        return await call

    with ThreadPoolExecutor(1) as thread:
        try:
            return thread.submit(asyncio.run, remember_task()).result()
        except KeyboardInterrupt:
            for loop, task in begun:
                with suppress(RuntimeError):  # it has just ended by itself
                    loop.call_soon_threadsafe(cast("asyncio.Task[Any]", task).cancel)
            raise
