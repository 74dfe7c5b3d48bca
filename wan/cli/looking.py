"""The commands that only look: at the connection, at jobs, at the record of a run. None of them
sends anything that costs, or drives a job.

None writes anything either, but that `evidence` completes a record from the row of its job.
"""

import argparse
import asyncio
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from wan.cli import DONE, FAILED, show_json
from wan.domain.errors import InvalidInput, JobNotFound
from wan.domain.ids import OPERATOR
from wan.domain.jobs import Job, JobState
from wan.domain.messages import Sentence, sentence
from wan.domain.plain_text import indented
from wan.environment.connection import Connection
from wan.environment.settings import load_settings
from wan.provider.gateway import Gateway
from wan.provider.local_simulator import Demo
from wan.service.studio import GOOD, Studio, asked
from wan.storage.evidence import FILES, bundle, found, video_of


def check(options: argparse.Namespace) -> int:
    """`check`."""
    settings = load_settings()
    settings.made_output_dir()
    simulated = settings.backend == "simulator"
    if simulated:
        Demo(settings).folder()
    connection = None if simulated else settings.connection()
    said = (
        sentence("check_simulator")
        if connection is None
        else asyncio.run(_asked(connection, settings.outward_proxy))
    )
    good = said.key in GOOD
    if options.json:
        about = (
            {
                "region": connection.region,
                "host": urlsplit(connection.base_url).hostname,
                "workspace": connection.workspace,
            }
            if connection
            else {}
        )
        show_json({"ok": good, "backend": settings.backend, **about, "message": str(said)})
    else:
        print(said)
    return DONE if good else FAILED


def jobs(options: argparse.Namespace) -> int:
    """`jobs`."""

    async def listed() -> list[dict[str, Any]]:
        async with Studio(load_settings(), works=False) as studio:
            return [
                _about(studio, job)
                for job in (await studio.jobs(owner=OPERATOR, limit=options.limit)).jobs
            ]

    known = asyncio.run(listed())
    if options.json:
        show_json({"ok": True, "jobs": known})
    for one in known if not options.json else ():
        print(
            f"{one['job_id']}  {one['created']}  {one['state']:<10}  {one['model']:<17}  "
            f"{_short(one['prompt'])}"
        )
    if not known and not options.json:
        print("No jobs yet. Make one: python -m wan image-to-video --help")
    return DONE


def show(options: argparse.Namespace) -> int:
    """`show`."""

    async def one() -> dict[str, Any]:
        settings = load_settings()
        async with Studio(settings, works=False) as studio:
            job = await studio.job(options.job, owner=OPERATOR)
            return _about(
                studio, job, await asyncio.to_thread(found, settings.output_dir.absolute(), job.id)
            )

    known = asyncio.run(one())
    if options.json:
        show_json({"ok": True, **known})
        return DONE
    for name, value in known.items():
        if value not in (None, "", []):
            shown = "; ".join(value) if isinstance(value, list) else str(value)
            print(f"{name:<15} {indented(shown, by=16)}")
    return DONE


def evidence(options: argparse.Namespace) -> int:
    """`evidence`."""
    return asyncio.run(_evidence(options))


async def _evidence(options: argparse.Namespace) -> int:
    settings = load_settings()
    async with Studio(settings, works=False) as studio:
        try:
            job = await studio.job(options.job, owner=OPERATOR)
            folder = await studio.evidence(job)
            video = await studio.media(job.media_token, "video.mp4")
        except JobNotFound:  # a visitor's, of which this machine keeps the record too
            folder = found(settings.output_dir.absolute(), options.job)
            video = video_of(folder) if folder else None
        if folder is None:
            raise JobNotFound
        packed = (
            None
            if options.zip is None
            else await asyncio.to_thread(_packed, folder, video, options.zip)
        )
    files = {name: about for name, about in FILES.items() if (folder / name).is_file()}
    if options.json:
        show_json(
            {
                "ok": True,
                "folder": str(folder),
                "files": files,
                "video": str(video) if video else None,
                "zip": str(packed) if packed else None,
            }
        )
        return DONE
    if packed:
        print(packed)
        return DONE
    print(folder)
    print("".join(f"  {name:<16} {about}\n" for name, about in files.items()), end="")
    if video:
        print(f"  {'video':<16} {video_of(folder) or video}")
    return DONE


def _packed(folder: Path, video: Path | None, wanted: Path) -> Path:
    target = wanted if wanted.name else folder.with_name(f"{folder.name}.zip")
    try:
        return bundle(folder, video, target)
    except OSError as error:
        allowed = "a file in a folder that can be written"
        raise InvalidInput(
            "--zip", "field_type", given=f"{target} ({error.strerror})", allowed=allowed
        ) from None


async def _asked(connection: Connection, proxy: SecretStr | None) -> Sentence:
    gateway = Gateway(proxy)
    try:
        return await asked(gateway, connection)
    finally:
        await gateway.close()


def _about(studio: Studio, job: Job, folder: Path | None = None) -> dict[str, Any]:
    result = studio.result(job, evidence=folder).model_dump()
    created = datetime.fromtimestamp(job.created_at).astimezone()
    asked_for = {name: job.request[name] for name in ("prompt", "size", "fps", "duration")}
    known = {
        "job_id": job.id,
        "created": f"{created:%Y-%m-%d %H:%M}",
        "state": job.state.value,
        "prompt": job.request["prompt"],
    }
    more = {
        "asked": ", ".join(
            f"{name} {value}"
            for name, value in asked_for.items()
            if name != "prompt" and value is not None
        )
    }
    go_on = {"go_on": f"python -m wan resume {job.id}"} if job.live else {}
    made = job.state is JobState.SUCCEEDED
    return (
        known
        | more
        | {
            name: value
            for name, value in result.items()
            if name not in known and (made or value is not None)
        }
        | go_on
    )


def _short(prompt: str) -> str:
    line = " ".join(prompt.split())
    return line if len(line) <= 60 else f"{line[:59]}…"
