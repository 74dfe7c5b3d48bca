"""How much memory a large file costs on its way up, home and into storage: ours beside the naive
way and the SDK's own uploader.

Each way runs in a process of its own. Measured is the peak of its resident memory (VmHWM, which
unlike ru_maxrss a new program does not inherit from the one that started it) over what it had when
everything was loaded and before the file was touched.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import obstore
from obstore.store import LocalStore
from pydantic import SecretStr

from wan.environment.connection import Connection
from wan.provider.gateway import Gateway
from wan.storage.objects import Storage

MEGABYTE = 1_000_000
SIZE = 95 * MEGABYTE  # the service takes 100
MODEL = "wan2.6-r2v-flash"
KEY = "sk-memorybench"


async def run() -> None:
    """Prints the table."""
    with tempfile.TemporaryDirectory(prefix="wan-memory-") as name:
        folder = Path(name)
        file = folder / "large.mp4"
        with file.open("wb") as out:
            out.truncate(SIZE)
        arguments = ("--dir", f"{folder}/simulator", "--port", "0")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "wan.simulator", *arguments, stdout=asyncio.subprocess.PIPE
        )
        results = _serve(file)
        try:
            base_url = (await process.stdout.readline()).decode().split()[-1]
            await _table(
                {
                    "base_url": base_url,
                    "results": f"http://127.0.0.1:{results.server_port}",
                    "file": str(file),
                    "folder": name,
                }
            )
        finally:
            results.shutdown()
            process.terminate()
            await process.wait()


async def _table(where: dict[str, str]) -> None:
    print(f"{SIZE // MEGABYTE} MB{'':28}{'peak over start':>16}{'times ours':>12}{'seconds':>9}")
    for act, ways in WAYS.items():
        ours = 0.0
        for way in ways:
            grown, seconds = await _measured(act, way, where)
            ours = ours or grown
            print(
                f"{act:12}{way:22}{grown:13.1f} MB{grown / ours:11.1f}x{seconds:9.1f}", flush=True
            )


async def _measured(act: str, way: str, where: dict[str, str]) -> tuple[float, float]:
    """Megabytes and seconds of one way, in a process of its own."""
    command = [
        sys.executable,
        "-m",
        "tests.bench.memory",
        act,
        way,
        where["base_url"],
        where["results"],
        where["file"],
        where["folder"],
    ]
    child = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    out, _ = await child.communicate()
    if child.returncode:
        raise RuntimeError(f"{act} {way} failed")
    grown, seconds = map(float, out.split()[-2:])
    return grown, seconds


def _serve(file: Path) -> ThreadingHTTPServer:
    """Answers every GET with the file, as the service's store does with a result."""

    class Result(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(SIZE))
            self.end_headers()
            with file.open("rb") as source:
                while chunk := source.read(1 << 20):
                    self.wfile.write(chunk)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Result)
    Thread(target=server.serve_forever, daemon=True).start()
    return server


def _connection(base_url: str) -> Connection:
    return Connection(
        backend="dashscope", base_url=base_url, region="", workspace="", key=SecretStr(KEY)
    )


async def _upload_ours(base_url: str, results: str, file: Path, folder: Path) -> None:
    gateway = Gateway()
    gateway.prepare(_connection(base_url))
    _start()
    await gateway.upload(_connection(base_url), MODEL, file, "large.mp4")
    await gateway.close()


async def _upload_naive(base_url: str, results: str, file: Path, folder: Path) -> None:
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        query, headers = {"action": "getPolicy", "model": MODEL}, {"Authorization": f"Bearer {KEY}"}
        policy = (
            (await client.get(f"{base_url}/uploads", params=query, headers=headers))
            .raise_for_status()
            .json()["data"]
        )
        fields = {
            "OSSAccessKeyId": policy["oss_access_key_id"],
            "policy": policy["policy"],
            "Signature": policy["signature"],
            "key": f"{policy['upload_dir']}/large.mp4",
            "success_action_status": "200",
        }
        _start()
        data = file.read_bytes()  # noqa: ASYNC240 - that is the naive way
        (
            await client.post(
                policy["upload_host"], data=fields, files={"file": ("large.mp4", data)}
            )
        ).raise_for_status()


async def _upload_sdk(base_url: str, results: str, file: Path, folder: Path) -> None:
    import dashscope
    from dashscope.utils.oss_utils import OssUtils

    dashscope.base_http_api_url = base_url
    _start()
    OssUtils.upload(MODEL, str(file), api_key=KEY)


async def _home_ours(base_url: str, results: str, file: Path, folder: Path) -> None:
    gateway = Gateway()
    _start()
    await gateway.download(
        _connection(f"{results}/api/v1"), f"{results}/video.mp4", folder / "ours.mp4"
    )
    await gateway.close()


async def _home_naive(base_url: str, results: str, file: Path, folder: Path) -> None:
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        _start()
        (folder / "naive.mp4").write_bytes((await client.get(f"{results}/video.mp4")).content)


async def _keep_ours(base_url: str, results: str, file: Path, folder: Path) -> None:
    storage = Storage((folder / "storage").as_uri(), folder / "cache")
    _start()
    await storage.put("references/large.mp4", file)


async def _keep_naive(base_url: str, results: str, file: Path, folder: Path) -> None:
    store = LocalStore(folder / "naive", mkdir=True)
    _start()
    await obstore.put_async(store, "large.mp4", file.read_bytes())  # noqa: ASYNC240 - that is the naive way


WAYS: dict[str, dict[str, Callable[[str, str, Path, Path], Awaitable[None]]]] = {
    "send up": {
        "ours": _upload_ours,
        "read, then post": _upload_naive,
        "dashscope's uploader": _upload_sdk,
    },
    "bring home": {"ours": _home_ours, "get, then write": _home_naive},
    "keep": {"ours": _keep_ours, "read, then put": _keep_naive},
}
_since: dict[str, float] = {}


def _start() -> None:
    """Everything is loaded; the file has not been touched."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    _since.update(memory=_memory("VmRSS"), time=time.monotonic())


def _memory(name: str) -> float:
    """A line of the process's own account, in megabytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(
        int(line.split()[1]) * 1024 / MEGABYTE for line in lines if line.startswith(f"{name}:")
    )


if __name__ == "__main__":
    _act, _way, _base_url, _results, _file, _folder = sys.argv[1:]
    asyncio.run(WAYS[_act][_way](_base_url, _results, Path(_file), Path(_folder)))
    print(_memory("VmHWM") - _since["memory"], time.monotonic() - _since["time"])
