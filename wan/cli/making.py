"""The commands that make a video or go on with one: asked first where it spends money, checked
first, watched, and verified at the end.
"""

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from wan.cli import BAD_INPUT, DONE, FAILED, complain, show_json, tell
from wan.cli.progress import Progress
from wan.domain import catalog
from wan.domain.catalog import MODELS
from wan.domain.errors import InvalidInput, NotKept, NoVideo, SettingsError, WanError
from wan.domain.ids import OPERATOR
from wan.domain.jobs import UNSENT, Job, JobState
from wan.domain.messages import sentence
from wan.domain.requests import ImageToVideoRequest, ReferenceToVideoRequest, Request, ordered
from wan.domain.results import VideoResult
from wan.domain.turns import Asker
from wan.environment.connection import Connection
from wan.environment.settings import Settings, load_settings
from wan.media import encode, inputs
from wan.service.studio import GOOD, Studio
from wan.storage.evidence import FILES, missing
from wan.video import check_file, check_files, files_of, inspected, located, resumable

_SHARED = (
    "prompt",
    "negative_prompt",
    "duration",
    "size",
    "fps",
    "seed",
    "model",
    "audio",
    "watermark",
    "shot_type",
)
_CANCEL_WAIT = 60.0  # seconds that a cancel waits to be carried out


def image_to_video(options: argparse.Namespace) -> int:
    """`image-to-video`."""
    shared = {name: getattr(options, name) for name in _SHARED}
    files = {
        "reference_image": located(options.image),
        "reference_audio": located(options.reference_audio),
    }
    return _make(
        ImageToVideoRequest(
            **files, fit=options.fit, motion_strength=options.motion_strength, **shared
        ),
        options,
    )


def reference_to_video(options: argparse.Namespace) -> int:
    """`reference-to-video`."""
    given = [(kind, located(text)) for kind, text in options.references]
    either = [one for kind, one in given if not kind]
    for one in either:
        if isinstance(one, Path):
            check_file("--reference", one)
    known = iter(asyncio.run(inputs.by_content(Asker(), "--reference", either)))
    references = ordered([(kind, one) if kind else next(known) for kind, one in given])
    shared = {name: getattr(options, name) for name in _SHARED}
    return _make(ReferenceToVideoRequest(**references, **shared), options)


def resume(options: argparse.Namespace) -> int:
    """`resume`."""
    return asyncio.run(_resume(options))


def cancel(options: argparse.Namespace) -> int:
    """`cancel`."""
    return asyncio.run(_cancel(options))


def stopped(job_id: str) -> str:
    """What to say of a job that nobody watches any more: whether it is sent, and how to go on with
    it.
    """

    async def found() -> Job:
        async with Studio(load_settings(), works=False) as studio:
            return await studio.job(job_id, owner=OPERATOR)

    job, go_on = asyncio.run(found()), f"python -m wan resume {job_id}"
    if job.state in UNSENT:
        drop = f"this drops it: python -m wan cancel {job_id}"
        return (
            "Stopped before anything was sent or spent. This sends it, as the app does "
            f"where it runs: {go_on}; {drop}"
        )
    if job.live:
        return (
            "Stopped watching. Nothing is lost: what was sent goes on, and this goes on "
            f"with it: {go_on}"
        )
    return f"Stopped watching. It has ended: python -m wan show {job_id}"


def _make(request: Request, options: argparse.Namespace) -> int:
    """The question comes before the event loop, which would swallow the first Ctrl-C."""
    _check_out(options.out)
    check_files(request)
    spare("--out", options.out, request)
    settings = load_settings()
    if settings.backend == "dashscope":
        connection = settings.connection()
        settings.made_output_dir()
        with inputs.working_in(settings.work_dir):
            lengths = asyncio.run(inspected(request))
        if not options.yes and not _agreed(request, connection, lengths):
            complain(str(sentence("not_agreed")), as_json=options.json)
            return BAD_INPUT
    return asyncio.run(_made(request, settings, options))


async def _made(request: Request, settings: Settings, options: argparse.Namespace) -> int:
    async with Studio(settings, own=True) as studio:
        said = await studio.check(studio.door.operator, owner=OPERATOR)
        if said.key not in GOOD:
            complain(str(said), as_json=options.json)
            return FAILED
        job = await studio.submit(request, owner=OPERATOR, new_take=options.new_take)
        return await _watch(studio, job, options, made_before=not job.live)


async def _resume(options: argparse.Namespace) -> int:
    _check_out(options.out)
    async with Studio(load_settings(), own=True) as studio:
        job = await resumable(studio, options.job)
        studio.take_up(job)
        return await _watch(studio, job, options)


async def _cancel(options: argparse.Namespace) -> int:
    async with Studio(load_settings(), own=True) as studio:
        job = await resumable(studio, options.job)
        said = await studio.cancel(job.id, owner=OPERATOR)
        try:
            async with asyncio.timeout(_CANCEL_WAIT):
                async for event in studio.follow(job.id, owner=OPERATOR):
                    job = event.job
                    if job.state in (JobState.RUNNING, JobState.FETCHING):
                        break
        except TimeoutError:
            pass
        cancelled = job.state is JobState.CANCELLED
        said = job.said if cancelled and job.said else await studio.cancel(job.id, owner=OPERATOR)
    if options.json:
        show_json(
            {"ok": cancelled, "job_id": job.id, "state": job.state.value, "message": str(said)}
        )
    else:
        print(said)
    return DONE if cancelled else FAILED


def _check_out(out: Path | None) -> None:
    """Refuses a place for the video that is none, before anything is paid."""
    if out is None:
        return
    try:
        if out.exists():
            os.close(
                os.open(out, os.O_WRONLY | os.O_NONBLOCK)
            )  # fails for a folder, and waits for nobody at a pipe
        else:
            tempfile.TemporaryFile(dir=out.parent).close()
    except OSError as error:
        given = f"{out} ({error.strerror})"
        raise InvalidInput(
            "--out", "field_type", given=given, allowed="a file in a folder that can be written"
        ) from None


def spare(option: str, target: Path | None, request: Request) -> None:
    """Refuses to write over a file that a video is made from. Raises InvalidInput."""
    for _, path in files_of(request):
        if target is not None and target.exists() and target.samefile(path):
            raise InvalidInput(
                option,
                "field_type",
                given=f"{target}, which the video is made from",
                allowed="another file",
            )


def _agreed(request: Request, connection: Connection, lengths: list[float | None]) -> bool:
    """Asks whether the money may be spent; Ctrl-C is no. Raises SettingsError where nobody can be
    asked.
    """
    where = connection.region or urlsplit(connection.base_url).netloc
    about = (
        f"{request.model}, {where}, {request.duration} s at {request.size}, "
        f"{_estimate(request, connection, lengths)}"
    )
    if not sys.stdin.isatty():
        raise SettingsError(sentence("not_asked", about=about))
    try:  # who reads the question may have answered before it is waited for
        tell(f"{about}. This spends money. Run it? [y/N] ", end="")
        return sys.stdin.readline().strip().lower() in ("y", "yes")
    except KeyboardInterrupt:
        tell("")
        return False


def _estimate(request: Request, connection: Connection, lengths: list[float | None]) -> str:
    references = len(lengths) + (
        len(request.reference_image) if isinstance(request, ReferenceToVideoRequest) else 0
    )
    cost = catalog.price(
        MODELS[request.model],
        region=connection.region,
        currency=connection.currency,
        size=request.size,
        duration=request.duration,
        audio=request.audio,
        videos=lengths,
        references=references,
    )
    return "price unknown here" if cost is None else f"{'' if cost.exact else 'at most '}{cost}"


async def _watch(
    studio: Studio, job: Job, options: argparse.Namespace, *, made_before: bool = False
) -> int:
    """From here on something may have been sent: whatever fails is no refusal, and says how to go
    on.
    """
    options.watched = job.id
    try:
        return await _watched(studio, job, options, made_before=made_before)
    except WanError as error:
        # What NotKept says of itself is that nothing was sent.
        said = (
            "Our own disk or database is full or stuck."
            if isinstance(error, NotKept)
            else str(error)
        )
        go_on = f"What was sent is not lost; this goes on with it: python -m wan resume {job.id}"
        complain(f"{said} {go_on}", as_json=options.json, job_id=job.id)
        return FAILED


async def _watched(
    studio: Studio, job: Job, options: argparse.Namespace, *, made_before: bool
) -> int:
    async with Progress() as progress:
        async for event in studio.follow(job.id, owner=OPERATOR):
            job = event.job
            progress.show(event)
    evidence = await studio.evidence(job)
    result = studio.result(job, made_before=made_before, evidence=evidence)
    if job.state is not JobState.SUCCEEDED:
        return _no_video(result, options)
    video = await studio.media(job.media_token, "video.mp4")
    wrong = await asyncio.to_thread(_wrong, job, video)
    lost = await asyncio.to_thread(_copied, video, options.out) if video and options.out else ""
    lacks = list(FILES) if evidence is None else await asyncio.to_thread(missing, evidence)
    where = options.out if video and not lost else None
    _report(
        result, str(where or video or result.video_url), wrong, lost, lacks, as_json=options.json
    )
    return FAILED if wrong or lost or evidence is None else DONE


def _copied(video: Path, out: Path) -> str:
    """Copies a video; gives what is wrong with the copy, or ""."""
    try:
        shutil.copyfile(video, out)
    except OSError as error:
        return f"it could not be copied to {out} ({error.strerror or error}); it is kept as {video}"
    return ""


def _no_video(result: VideoResult, options: argparse.Namespace) -> int:
    if options.json:
        show_json({"ok": False, **result.model_dump()})
    else:
        tell(
            f"{result.error}\njob {result.job_id} · task {result.task_id or 'none'} · request "
            f"{result.request_id or 'none'}"
        )
    return FAILED


def _wrong(job: Job, video: Path | None) -> str:
    """What is wrong with the file of a result; "" where it plays and is what its job says."""
    try:
        found = encode.measure(video) if video else None
    except NoVideo as refusal:
        return str(refusal)
    except FileNotFoundError:
        found = None
    except OSError as error:
        return f"the file cannot be read: {error.strerror}"
    if found is None:
        return "the file is not there any more"
    same = (found.width, found.height, found.fps, found.seconds) == (
        job.width,
        job.height,
        job.fps,
        job.duration,
    )
    return (
        ""
        if same
        else f"the file is {found.width}x{found.height}, {found.fps:g} fps, "
        f"{found.seconds:.1f} s, and the job says otherwise"
    )


def _report(
    result: VideoResult, where: str, wrong: str, lost: str, lacks: list[str], *, as_json: bool
) -> None:
    """wrong: with the file. lost: what kept it from being copied."""
    if lost:
        tell(lost)
    if as_json:
        trouble = (
            wrong
            or lost
            or (
                ""
                if result.evidence
                else "there is no record of this run: OUTPUT_DIR cannot be written"
            )
        )
        error = {"error": trouble} if trouble else {}
        show_json(
            {"ok": not error, **result.model_dump(), "verified": not wrong, "evidence_lacks": lacks}
            | error
        )
        return
    print(where)
    print(
        f"{result.width}x{result.height} · {result.fps:g} fps · {result.duration:.1f} s · seed "
        f"{result.seed} · {_cost(result)}"
    )
    print("".join(f"- {said}\n" for said in result.adjustments), end="")
    print(f"verified: {wrong or 'the file plays to its end and is as described'}")
    print(
        f"evidence: {result.evidence or 'none'}" + (f" (lacks {', '.join(lacks)})" if lacks else "")
    )
    print(f"job {result.job_id} · task {result.task_id} · request {result.request_id}")


def _cost(result: VideoResult) -> str:
    if result.made_before:
        return "made before, free; --new-take makes another"
    return "simulated, free" if result.simulated else result.price or "price unknown"
