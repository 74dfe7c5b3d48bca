"""The commands that only read: the connection, jobs, the record of a run.

None sends anything that costs, or drives a job. None writes anything either, except that `evidence`
completes a record from the row of its job, and that a record in a bucket is copied to this machine.
"""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from wan.cli.answers import DONE, FAILED, Answer
from wan.domain.errors import InvalidInput, JobNotFound, WanError
from wan.domain.ids import OPERATOR
from wan.domain.jobs import Job, JobState
from wan.domain.messages import Message, t
from wan.domain.plain_text import indent
from wan.environment.connection import Connection
from wan.environment.settings import load_settings
from wan.provider.gateway import Gateway
from wan.provider.local_simulator import LocalSimulator
from wan.service.connection_check import GOOD, check_connection
from wan.service.library import Library, open_library
from wan.storage.record import FILES, pack_record, video_of


def check() -> Answer:
    """Say whether the service, or the simulator, can be used."""
    settings = load_settings()
    settings.make_output_dir()
    known: dict[str, Any] = {"ok": True, "backend": settings.backend}
    if settings.backend == "simulator":
        LocalSimulator(settings).folder()
        message = Message.of("check_simulator")
    else:
        connection = settings.connection()
        known["region"] = connection.region
        known["host"] = urlsplit(connection.base_url).hostname
        known["workspace"] = connection.workspace
        message = asyncio.run(_ask(connection, settings.outward_proxy))
    known |= {"ok": message.key in GOOD, "message": str(message)}
    return Answer(known, text=str(message), code=DONE if known["ok"] else FAILED)


def jobs(limit: int) -> Answer:
    """List the operator's jobs, newest first."""

    async def read() -> list[dict[str, Any]]:
        async with open_library(load_settings()) as library:
            page = await library.list_jobs(owner=OPERATOR, limit=limit)
            return [_about(library, job) for job in page.jobs]

    known = asyncio.run(read())
    lines = [
        f"{one['job_id']}  {one['created']}  {_state(one['state']):<13}  {one['model']:<17}  "
        f"{_take(one['take']):<7}  {_short(' · '.join(filter(None, (one['name'], one['prompt']))))}"
        for one in known
    ]
    return Answer({"ok": True, "jobs": known}, text="\n".join(lines) or t("en", "cli_no_jobs"))


def show(job_id: str) -> Answer:
    """Show everything about a job."""

    async def read() -> dict[str, Any]:
        async with open_library(load_settings()) as library:
            job = await library.get(job_id, owner=OPERATOR)
            return _about(library, job, await library.find_evidence(job.id))

    known = asyncio.run(read())
    lines = []
    for name, value in known.items():
        if value not in (None, "", []):
            shown = "; ".join(value) if isinstance(value, list) else str(value)
            shown = _state(shown) if name == "state" else shown
            lines.append(f"{name:<15} {indent(shown, by=16)}")
    return Answer({"ok": True, **known}, text="\n".join(lines))


def evidence(job_id: str, target: Path | None) -> Answer:
    """List the files of a run's record.

    target: where to pack them with the video; beside the record if it has no name.
    """
    folder, video, packed = asyncio.run(_record(job_id, target))
    files = {name: about for name, about in FILES.items() if (folder / name).is_file()}
    known = {
        "ok": True,
        "folder": str(folder),
        "files": files,
        "video": str(video) if video else None,
        "zip": str(packed) if packed else None,
    }
    if packed:
        return Answer(known, text=str(packed))
    lines = [str(folder), *(f"  {name:<16} {about}" for name, about in files.items())]
    if video:
        lines.append(f"  {'video':<16} {video_of(folder) or video}")
    return Answer(known, text="\n".join(lines))


async def _record(job_id: str, target: Path | None) -> tuple[Path, Path | None, Path | None]:
    """Return the folder of a record, its video, and the archive where one is wanted."""
    async with open_library(load_settings()) as library:
        try:
            job = await library.get(job_id, owner=OPERATOR)
            folder = await library.complete_evidence(job)
            if folder is None:
                raise WanError(Message.of("cli_film_record" if job.is_film else "cli_record_gone"))
            video = await library.find_media(job.media_token, "video.mp4")
        except JobNotFound:  # a visitor's, of which there is a record too
            folder = await library.find_evidence(job_id)
            video = video_of(folder) if folder else None
        if folder is None:
            raise JobNotFound
        if target is None:
            return folder, video, None
        return folder, video, await asyncio.to_thread(_pack, folder, video, target)


def _pack(folder: Path, video: Path | None, target: Path) -> Path:
    named = target if target.name else folder.with_name(f"{folder.name}.zip")
    try:
        return pack_record(folder, video, named)
    except OSError as error:
        given = f"{named} ({error.strerror})"
        allowed = "a file in a writable folder"
        raise InvalidInput("--zip", "field_type", given=given, allowed=allowed) from None


async def _ask(connection: Connection, proxy: SecretStr | None) -> Message:
    gateway = Gateway(proxy)
    try:
        return await check_connection(gateway, connection)
    finally:
        await gateway.close()


def _about(library: Library, job: Job, record: Path | None = None) -> dict[str, Any]:
    """Return what `jobs` and `show` give of a job; of its result only what there is, unless it has
    succeeded.
    """
    known = {
        "job_id": job.id,
        "created": f"{datetime.fromtimestamp(job.created_at).astimezone():%Y-%m-%d %H:%M}",
        "state": job.state.value,
        "take": None if job.is_film else job.take,
        "name": job.name,
        "prompt": job.request["prompt"],
        "asked": ", ".join(
            f"{name} {job.request[name]}"
            for name in ("size", "fps", "duration")
            if job.request[name] is not None
        ),
    }
    for name, value in library.result_of(job, evidence=record).model_dump().items():
        if name not in known and (job.state is JobState.SUCCEEDED or value is not None):
            known[name] = value
    return known | ({"go_on": f"python -m wan resume {job.id}"} if job.live else {})


def _state(name: str) -> str:
    """Return a state in the words of the page."""
    return t("en", f"title_{name}")


def _take(number: int | None) -> str:
    """Return the number of a take as the page has it; "" for a film."""
    return t("en", "take", number=number) if number else ""


def _short(prompt: str) -> str:
    line = " ".join(prompt.split())
    return line if len(line) <= 60 else f"{line[:59]}…"
