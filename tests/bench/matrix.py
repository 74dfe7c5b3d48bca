"""What a job needs of the service, met with every fault: where it ends, what people are told, how many tasks were created. More than one is an error.

Each fault hits once, and the job is followed to its end; UNCERTAIN is settled by the simulator's list of tasks, without waiting 15 minutes.
"""

import asyncio
import os
import secrets
import sys
import tempfile
from pathlib import Path

import httpx

from tests.pictures import picture
from wan import schedule
from wan.requests import ImageToVideoRequest
from wan.settings import load_settings
from wan.studio import Studio

VERBS = ("policy", "upload", "create", "query", "result")
FAULTS = (
    *("drop-before", "drop-after-accept", "stall", "drip-3", "html", "bad-json", "cut-body", "wrong-content"),
    *(f"status-{status}" for status in (401, 403, 429, 500, 502, 503, 504)),
)
OWNER = "bench"


async def run() -> None:
    """Prints the table."""
    with tempfile.TemporaryDirectory(prefix="wan-matrix-") as folder:
        arguments = ("--dir", folder, "--port", "0", "--pending", "0.2", "--running", "0.2", "--preset", "ultrafast")
        process = await asyncio.create_subprocess_exec(sys.executable, "-m", "wan.simulator", *arguments, stdout=asyncio.subprocess.PIPE)
        try:
            ready = (await process.stdout.readline()).decode()
            await _table(ready.split()[-1].removesuffix("/api/v1"), Path(folder))
        finally:
            process.terminate()
            await process.wait()


async def _table(root: str, folder: Path) -> None:
    os.environ |= {"WAN_BACKEND": "dashscope", "DASHSCOPE_BASE_URL": f"{root}/api/v1", "WAN_UNCERTAIN_SECONDS": "0", "OUTPUT_DIR": f"{folder}/output"}
    schedule.next_look = lambda every, attempts=0, retry_after=None: 0.2
    print(f"{'verb':8}{'fault':20}{'end':11}{'spent':7}{'tasks':6}told on the way")
    for verb in VERBS:
        for fault in FAULTS:
            os.environ["DASHSCOPE_API_KEY"] = f"sk-{secrets.token_hex(8)}"
            print(f"{verb:8}{fault:20}{await _case(root, verb, fault)}", flush=True)


async def _case(root: str, verb: str, fault: str) -> str:
    async with Studio(load_settings()) as studio, httpx.AsyncClient(trust_env=False) as client:
        before = (await client.get(f"{root}/simulator/stats")).json()["created"]
        (await client.post(f"{root}/simulator/faults", json={"verb": verb, "fault": fault, "count": 1})).raise_for_status()
        request = ImageToVideoRequest(prompt=f"{verb} {fault}", reference_image=picture(color=secrets.randbelow(2**24)), duration=2)
        job = await studio.submit(request, owner=OWNER)
        told = []
        async for event in studio.follow(job.id, owner=OWNER):
            told.append(event.sentence.key)
        await client.delete(f"{root}/simulator/faults")
        created = (await client.get(f"{root}/simulator/stats")).json()["created"] - before
    if created > 1:
        raise AssertionError(f"{verb} with {fault} created {created} tasks")
    unusual = [key for key in dict.fromkeys(told) if key not in ("queued", "uploading", "submitting", "pending", "running", "fetching", "succeeded")]
    return f"{event.job.state:11}{event.job.spent:7}{created:<6}{', '.join(unusual)}"
