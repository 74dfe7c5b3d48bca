"""The commands that make a video or go on with one: confirmed where it costs money, checked before
anything is sent, watched, and verified at the end.
"""

import asyncio
import select
import shutil
import sys
import tempfile
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from wan.cli.answers import DONE, FAILED, Answer, refusal, tell
from wan.cli.options import request_values
from wan.cli.progress import Progress
from wan.domain import catalog
from wan.domain.crop import ENLARGED
from wan.domain.errors import InvalidInput, NotAVideo, SettingsError, StorageUnavailable, WanError
from wan.domain.ids import OPERATOR
from wan.domain.jobs import UNSENT, Job, JobState
from wan.domain.messages import Message, t
from wan.domain.requests import (
    ImageToVideoRequest,
    ReferenceToVideoRequest,
    Request,
    arrange_references,
)
from wan.domain.results import VideoResult
from wan.domain.turns import Asker
from wan.environment.connection import Connection
from wan.environment.settings import Settings, load_settings
from wan.media import encode, inputs
from wan.service.connection_check import GOOD
from wan.service.library import open_library
from wan.service.studio import Studio
from wan.storage.record import FILES, list_missing_files
from wan.video import check_file, check_files, files_of, find_resumable, inspect_files, locate

_LOOK = 0.2  # seconds between two looks whether a question was answered
_CANCEL_WAIT = 60.0  # seconds that a cancel waits to be carried out
_KINDS = {"reference": "", "reference_video": "video", "reference_image": "image"}


def image_to_video(options: Mapping[str, Any]) -> Answer:
    """Make a video from one image. options: as typed, by the names of the request's fields."""
    files = {name: locate(options[name]) for name in ("reference_image", "reference_audio")}
    given = request_values(options, "image")
    return _Run(options["out"]).make(ImageToVideoRequest(**given | files), options)


def reference_to_video(options: Mapping[str, Any], references: Sequence[tuple[str, str]]) -> Answer:
    """Make a video with references.

    references: each with the name of its option, in their order. Whether a `reference` is a clip or
    an image is told by its content.
    """
    given: list[Any] = [(_KINDS[name], locate(text)) for name, text in references]
    either = [one for kind, one in given if not kind]
    for one in either:
        if isinstance(one, Path):
            check_file("--reference", one)
    known = iter(asyncio.run(inputs.detect_kinds(Asker(), "--reference", either)))
    fields = request_values(options, "reference")
    fields |= arrange_references([(kind, one) if kind else next(known) for kind, one in given])
    return _Run(options["out"]).make(ReferenceToVideoRequest(**fields), options)


def resume(job_id: str, out: Path | None) -> Answer:
    """Go on with a job until its video is there."""
    return _Run(out).resume(job_id)


def cancel(job_id: str) -> Answer:
    """Cancel a job, and wait for the outcome."""
    return asyncio.run(_cancel(job_id))


def refuse_to_overwrite(option: str, target: Path | None, request: Request) -> None:
    """Refuse to write over a file that a video is made from. Raises InvalidInput."""
    for _, path in files_of(request):
        if target is not None and target.exists() and target.samefile(path):
            given = f"{target}, which the video is made from"
            raise InvalidInput(option, "field_type", given=given, allowed="another file")


class _Run:
    """One run, from the question to the verified file."""

    def __init__(self, out: Path | None) -> None:
        """out: the file, or the folder, that the video is copied to."""
        self._out = out
        self._job_id = ""  # as soon as there is a job
        _check_writable(out)

    def make(self, request: Request, options: Mapping[str, Any]) -> Answer:
        """Confirm the cost, submit, watch.

        The question comes before the event loop, which would swallow the first Ctrl-C.
        """
        check_files(request)
        refuse_to_overwrite("--out", self._out, request)
        settings, hint = load_settings(), ""
        if settings.backend == "dashscope":
            connection = settings.connection()
            settings.make_output_dir()
            with inputs.use_work_folder(settings.work_dir):
                found = asyncio.run(inspect_files(request))
            if found.enlarged > ENLARGED:
                hint = t("en", "enlarged", times=f"{found.enlarged:.1f}")
            if not options["yes"] and not _confirm_cost(request, connection, found.lengths, hint):
                return refusal(str(Message.of("not_agreed")))
            hint = hint if options["yes"] else ""  # it was said with the question
        work = self._make(request, settings, hint, new_take=options["new_take"])
        return self._finish(work)

    def resume(self, job_id: str) -> Answer:
        """Watch an existing job."""
        return self._finish(self._resume(job_id))

    def _finish(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        """Do the work; once there is a job, say how to go on with it whatever fails.

        Something may have been sent by then, so that it is no refusal.
        """
        try:
            return asyncio.run(work)
        except KeyboardInterrupt:
            if not self._job_id:
                raise
            tell("")
            return refusal(_explain_stop(self._job_id), code=FAILED, job_id=self._job_id)
        except WanError as error:
            if not self._job_id:
                raise
            # What StorageUnavailable says of itself is that nothing was sent.
            stuck = isinstance(error, StorageUnavailable)
            message = t("en", "cli_disk_stuck") if stuck else str(error)
            message = t("en", "cli_go_on", message=message, job=self._job_id)
            return refusal(message, code=FAILED, job_id=self._job_id)

    async def _make(
        self, request: Request, settings: Settings, hint: str, *, new_take: bool
    ) -> Answer:
        """hint: what is said before anything is sent, unless it is refused; "" for nothing."""
        async with Studio(settings, only_jobs_started_here=True) as studio:
            checked = await studio.access.check(studio.access.policy.operator, owner=OPERATOR)
            if checked.key not in GOOD:
                return refusal(str(checked), code=FAILED)
            if hint:
                tell(hint)
            job = await studio.submission.submit(request, owner=OPERATOR, new_take=new_take)
            return await self._watch(studio, job, made_before=not job.live)

    async def _resume(self, job_id: str) -> Answer:
        async with Studio(load_settings(), only_jobs_started_here=True) as studio:
            job = await find_resumable(studio, job_id)
            studio.submission.resume(job)
            return await self._watch(studio, job)

    async def _watch(self, studio: Studio, job: Job, *, made_before: bool = False) -> Answer:
        self._job_id = job.id
        tell(t("en", "cli_job", job=job.id))
        async with Progress() as progress:
            async for event in studio.watching.follow(job.id, owner=OPERATOR):
                job = event.job
                progress.show(event)
        evidence = await studio.library.complete_evidence(job)
        result = studio.library.result_of(job, made_before=made_before, evidence=evidence)
        if job.state is not JobState.SUCCEEDED:
            return _no_video(result)
        video = await studio.library.find_media(job.media_token, "video.mp4")
        wrong = await asyncio.to_thread(_find_fault, job, video)
        out = self._name_copy(studio, job)
        lost = await asyncio.to_thread(_copy, video, out) if video and out else ""
        lacks = (
            list(FILES)
            if evidence is None
            else await asyncio.to_thread(list_missing_files, evidence)
        )
        where = out if video and not lost else None
        return _report(result, str(where or video or result.video_url), wrong, lost, lacks)

    def _name_copy(self, studio: Studio, job: Job) -> Path | None:
        """Return where the video is copied to: in a folder, to a file with the name that a download
        has.
        """
        if self._out is None or not self._out.is_dir():
            return self._out
        return self._out / f"{studio.file_names.of(job)}.mp4"


async def _cancel(job_id: str) -> Answer:
    async with Studio(load_settings(), only_jobs_started_here=True) as studio:
        job = await find_resumable(studio, job_id)
        await studio.submission.cancel(job.id, owner=OPERATOR)
        with suppress(TimeoutError):
            async with asyncio.timeout(_CANCEL_WAIT):
                async for event in studio.watching.follow(job.id, owner=OPERATOR):
                    job = event.job
                    if job.state in (JobState.RUNNING, JobState.FETCHING):
                        break
        cancelled = job.state is JobState.CANCELLED
        ended = job.said if cancelled else None
        message = ended or await studio.submission.cancel(job.id, owner=OPERATOR)
    known = {"ok": cancelled, "job_id": job.id, "state": job.state.value, "message": str(message)}
    return Answer(known, text=str(message), code=DONE if cancelled else FAILED)


def _explain_stop(job_id: str) -> str:
    """Say what becomes of a job that nobody watches any more.

    A second Ctrl-C, or a database that cannot be read, shortens it.
    """

    async def read() -> Job:
        async with open_library(load_settings()) as library:
            return await library.get(job_id, owner=OPERATOR)

    key = "cli_stopped_unknown"
    with suppress(KeyboardInterrupt, Exception):
        job = asyncio.run(read())
        key = "cli_stopped_sent" if job.live else "cli_stopped_ended"
        if job.state in UNSENT:
            key = "cli_stopped_unsent"
    return t("en", key, job=job_id)


def _check_writable(out: Path | None) -> None:
    """Refuse a file that cannot be written, before anything is paid. Raises InvalidInput."""
    if out is None:
        return
    try:
        if out.exists() and not out.is_dir():
            out.open("ab").close()
        else:
            tempfile.TemporaryFile(dir=out if out.is_dir() else out.parent).close()
    except OSError as error:
        given = f"{out} ({error.strerror})"
        allowed = "a file in a writable folder"
        raise InvalidInput("--out", "field_type", given=given, allowed=allowed) from None


def _confirm_cost(
    request: Request, connection: Connection, lengths: list[float | None], hint: str
) -> bool:
    """Ask whether the money may be spent; Ctrl-C means no. hint: what is said before; "" for
    nothing.

    Raises SettingsError where nobody can be asked.
    """
    where = connection.region or urlsplit(connection.base_url).netloc
    price = _estimate(request, connection, lengths)
    size = request.size.replace("*", "×")
    about = f"{request.model}, {where}, {request.duration} s at {size}, {price}"
    if not sys.stdin.isatty():
        raise SettingsError(Message.of("not_asked", about=about))
    if hint:
        tell(hint)
    try:  # who reads the question may have answered before it is waited for
        tell(t("en", "cli_confirm", about=about), end=" ")
        while not select.select([sys.stdin], [], [], _LOOK)[0]:
            pass  # a Ctrl-C just before a read that waits would be noticed only after it
        return sys.stdin.readline().strip().lower() in ("y", "yes")
    except KeyboardInterrupt:
        tell("")
        return False


def _estimate(request: Request, connection: Connection, lengths: list[float | None]) -> str:
    images = request.reference_image if isinstance(request, ReferenceToVideoRequest) else ()
    cost = catalog.price(
        catalog.MODELS[request.model],
        region=connection.region,
        currency=connection.currency,
        size=request.size,
        duration=request.duration,
        audio=request.audio,
        videos=lengths,
        references=len(lengths) + len(images),
    )
    if cost is None:
        return t("en", "cli_price_unknown")
    return str(cost) if cost.exact else t("en", "cli_price_at_most", price=cost)


def _copy(video: Path, out: Path) -> str:
    """Copy a video. Returns what went wrong, or ""."""
    try:
        shutil.copyfile(video, out)
    except OSError as error:
        return t("en", "cli_not_copied", out=out, reason=error.strerror or error, video=video)
    return ""


def _find_fault(job: Job, video: Path | None) -> str:
    """Return what is wrong with the file of a result; "" where it plays and is as its job says."""
    try:
        found = encode.measure(video) if video else None
    except NotAVideo as refusal:
        return str(refusal)
    except FileNotFoundError:
        found = None
    except OSError as error:
        return t("en", "cli_video_unreadable", reason=error.strerror)
    if found is None:
        return t("en", "cli_video_gone")
    measured = (found.width, found.height, found.fps, found.seconds)
    if measured == (job.width, job.height, job.fps, job.duration):
        return ""
    size, fps, seconds = f"{found.width}×{found.height}", f"{found.fps:g}", f"{found.seconds:.1f}"
    return t("en", "cli_video_differs", size=size, fps=fps, seconds=seconds)


def _no_video(result: VideoResult) -> Answer:
    ids = f"job {result.job_id} · task {result.task_id or 'none'}"
    complaint = f"{result.error}\n{ids} · request {result.request_id or 'none'}"
    return Answer({"ok": False, **result.model_dump()}, complaint=complaint, code=FAILED)


def _report(result: VideoResult, where: str, wrong: str, lost: str, lacks: Sequence[str]) -> Answer:
    """The answer for a video that was made. wrong: with its file. lost: what kept it from being
    copied. lacks: files that its record should have.
    """
    trouble = wrong or lost or ("" if result.evidence else t("en", "cli_no_record"))
    known = {**result.model_dump(), "verified": not wrong, "evidence_lacks": lacks}
    facts = (
        f"{result.width}x{result.height}",
        f"{result.fps:g} fps",
        f"{result.duration:.1f} s",
        f"seed {result.seed}",
        _cost(result),
    )
    lines = (
        where,
        " · ".join(facts),
        *(f"- {adjustment}" for adjustment in result.adjustments),
        f"not verified: {wrong}" if wrong else f"verified: {t('en', 'cli_video_good')}",
        f"evidence: {result.evidence or 'none'}"
        + (f" (lacks {', '.join(lacks)})" if lacks else ""),
        f"job {result.job_id} · task {result.task_id} · request {result.request_id}",
    )
    return Answer(
        {"ok": not trouble, **known, **({"error": trouble} if trouble else {})},
        text="\n".join(lines),
        complaint=lost,
        code=FAILED if trouble else DONE,
    )


def _cost(result: VideoResult) -> str:
    if result.made_before:
        return t("en", "cli_made_before")
    return t("en", "cli_simulated") if result.simulated else result.price or t("en", "cli_unpriced")
