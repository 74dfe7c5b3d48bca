"""Every verb that a job needs of the service, met with every fault: where the job ends, whether
that is the truth, and what people are told.

A cell is one job through a Studio of its own, over a proxy of its own to a simulator that they
share. The fault hits once, and the job is followed to its end. In the row `cancel` the job is
cancelled while the service still holds it PENDING; in the row `list` the answer to its create is
dropped first, so that only the list can tell what became of it. Requests are given up after
`LIMIT`, and UNCERTAIN is settled at once, so that nothing here waits for minutes.
"""

import argparse
import asyncio
import contextlib
import secrets
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import httpx

from tests.patience import PATIENCE
from tests.pictures import picture
from tests.proxy import Proxy
from tests.simulators import Simulator, serving
from wan.domain.jobs import Job, JobState
from wan.domain.requests import ImageToVideoRequest
from wan.environment.settings import Settings
from wan.media import encode
from wan.provider import gateway
from wan.service import polling, runner
from wan.service.studio import Studio
from wan.simulator.faults import VERBS, verb_of

FAULTS = (
    *(
        "refused",
        "drop-before",
        "drop-after-accept",
        "stall",
        "drip-0.5",
        "drip-6",
        "html",
        "bad-json",
        "cut-body",
        "wrong-content",
    ),
    *(f"status-{status}" for status in (401, 403, 429, 500, 502, 503, 504)),
)
CELLS = tuple((verb, fault) for verb in VERBS for fault in FAULTS)
LIMIT = 4.0  # seconds that a request may take here; a drip of 6 outlasts it
AT_ONCE = 14
OWNER = "matrix"
# of a picture, which the service fetches: no file has to go up where that is not the row
ADDRESS = "https://example.com/she.png"


@dataclass(frozen=True)
class Outcome:
    """Where a cell ended: the job, the keys of what people were told on the way, and the tasks that
    the simulator has of it.
    """

    job: Job
    told: list[str]
    tasks: list[dict]


@contextlib.contextmanager
def short_limits() -> Iterator[None]:
    """Requests are given up, and jobs looked at again, after seconds; videos have no posters."""
    with contextlib.ExitStack() as patched:
        for module, name in (
            (gateway, "SUBMIT_LIMIT"),
            (runner, "SUBMIT_LIMIT"),
            (gateway, "ASK_LIMIT"),
            (gateway, "FILE_LIMIT"),
        ):
            patched.enter_context(mock.patch.object(module, name, LIMIT))
        patched.enter_context(mock.patch.object(polling, "next_poll_delay", return_value=0.2))
        patched.enter_context(
            mock.patch.object(encode, "poster", return_value=b"")
        )  # costs more than all else, and is no matter of the service
        yield


async def outcomes(
    folder: Path, cells: Sequence[tuple[str, str]] = CELLS
) -> dict[tuple[str, str], Outcome]:
    """Runs the cells, many at once."""
    gate = asyncio.Semaphore(AT_ONCE)
    with (
        short_limits(),
        serving(folder / "quick", "--pending", "0", "--running", "0", "--still") as quick,
        serving(folder / "waiting", "--pending", "3600") as waiting,
    ):

        async def limited(cell: tuple[str, str]) -> Outcome:
            async with gate, asyncio.timeout(PATIENCE):
                return await _outcome(
                    waiting if cell[0] == "cancel" else quick, *cell, folder / "-".join(cell)
                )

        found = await asyncio.gather(*(limited(cell) for cell in cells))
        # The answer to a create is dropped in every cell of `list`; who refuses is the proxy, not
        # the simulator.
        meant = sum((verb == "list") + (fault != "refused") for verb, fault in cells)
        hits = quick.stats()["faults"] + waiting.stats()["faults"]
    if hits != meant:
        raise AssertionError(f"{hits} faults were met, not {meant}")
    return dict(zip(cells, found, strict=True))


async def _outcome(simulator: Simulator, verb: str, fault: str, folder: Path) -> Outcome:
    async with (
        Proxy("127.0.0.1", simulator.port) as proxy,
        Studio(_settings(proxy, folder)) as studio,
    ):
        if verb == "list":
            await _set(simulator, proxy, "create", "drop-after-accept")
        refused: list[httpx.Request] = []
        if fault == "refused":
            _refuse_once(studio, proxy, verb, refused)
        else:
            await _set(simulator, proxy, verb, fault)
        prompt = f"{verb} {fault}"
        image = picture((240, 240)) if verb in ("policy", "upload") else ADDRESS
        request = ImageToVideoRequest(
            prompt=prompt, reference_image=image, duration=2, size="720P", audio=False
        )
        job = await studio.submission.submit(request, owner=OWNER)
        told = []
        async for event in studio.watching.follow(job.id, owner=OWNER):
            told.append(event.message.key)
            if (
                verb == "cancel"
                and event.job.state is JobState.PENDING
                and not event.job.cancel_wanted
            ):
                await studio.submission.cancel(job.id, owner=OWNER)
    if (fault == "refused") != bool(refused):
        raise AssertionError(f"{verb} was never refused")
    return Outcome(
        event.job, told, [task for task in simulator.tasks() if task["order"]["prompt"] == prompt]
    )


def _settings(proxy: Proxy, folder: Path) -> Settings:
    return Settings(
        backend_wanted="dashscope",
        api_key=f"sk-{secrets.token_hex(8)}",
        base_url=f"http://{proxy.host}/api/v1",
        output_dir=folder,
        poll_seconds=1,
        uncertain_seconds=0,
    )


async def _set(simulator: Simulator, proxy: Proxy, verb: str, fault: str) -> None:
    await asyncio.to_thread(simulator.set_fault, verb, fault, count=1, host=proxy.host)


def _refuse_once(studio: Studio, proxy: Proxy, verb: str, refused: list[httpx.Request]) -> None:
    """Nobody listens when the verb is asked for first, which goes into `refused`; at the next
    request somebody does again.
    """

    async def gate(request: httpx.Request) -> None:
        if not refused and verb_of(request.method, request.url.path) == verb:
            refused.append(request)
            await proxy.refuse()
        else:
            await proxy.accept()

    for client in studio.access._gateway._http:
        client.event_hooks = {"request": [gate]}


def arguments(_: argparse.ArgumentParser) -> None:
    """Nothing can be asked for."""


async def run() -> int:
    """Prints the table; the exit code."""
    with tempfile.TemporaryDirectory(prefix="wan-matrix-") as folder:
        table = await outcomes(Path(folder))
    print(f"{'verb':8}{'fault':20}{'end':11}{'spent':7}{'tasks':7}{'told':110}on the way")
    usual = {"queued", "uploading", "submitting", "pending", "running", "fetching"}
    for (verb, fault), outcome in table.items():
        job, said = outcome.job, str(outcome.job.said or outcome.told[-1])
        unusual = [key for key in dict.fromkeys(outcome.told[:-1]) if key not in usual]
        print(
            f"{verb:8}{fault:20}{job.state:11}{job.spent:7}{len(outcome.tasks):<7}"
            f"{said[:108]:110}{', '.join(unusual)}"
        )
    return 0
