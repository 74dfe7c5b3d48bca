"""The process: one per folder, restarts, leaving, and links to results."""

import fcntl
import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import plain_http
from tests.patience import PATIENCE
from tests.simulator.conftest import Start, image_order


def test_one_simulator_per_folder(start: Start, tmp_path: Path):
    served = start()
    said = json.loads((tmp_path / "simulator" / "server.json").read_text())
    assert said == {
        "port": int(served.root.rpartition(":")[2]),
        "pid": served.process.pid,
        "base_url": f"{served.root}/api/v1",
    }
    command = [
        sys.executable,
        "-m",
        "wan.simulator",
        "--dir",
        str(tmp_path / "simulator"),
        "--port",
        "0",
    ]
    second = subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE, cwd=Path(__file__).parents[2]
    )
    assert second.returncode == 3
    assert second.stderr.count("\n") == 1
    assert said["base_url"] in second.stderr
    assert plain_http.get(f"{served.root}/simulator/healthz").json()["dir"] == str(
        tmp_path / "simulator"
    )


def test_a_restart_goes_on_and_leaving_waits_for_no_task(start: Start, tmp_path: Path):
    served = start("--pending", "0", "--running", "1")
    client = served.client("sk-restart1")
    done = client.created(image_order())
    client.ended(done)
    running = client.created(image_order(duration=4))
    while client.query(running)["output"]["task_status"] == "PENDING":
        time.sleep(0.06)
    assert served.stop() == 0
    assert not (tmp_path / "simulator" / "server.json").exists()
    again = start("--pending", "0", "--running", "1").client("sk-restart1")
    assert again.query(done)["output"]["task_status"] == "SUCCEEDED"
    assert again.query(running)["output"]["task_status"] == "RUNNING"
    assert again.ended(running)["output"]["task_status"] == "SUCCEEDED"


def test_leaving_does_not_wait_for_stalled_clients(start: Start):
    served = start("--fault", "query:stall")
    with socket.create_connection(("127.0.0.1", int(served.root.rpartition(":")[2]))) as stalled:
        stalled.sendall(
            b"GET /api/v1/tasks/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk-test1234\r\n\r\n"
        )  # which is never answered
        until = time.monotonic() + PATIENCE
        while not served.stats()["faults"]:
            assert time.monotonic() < until, "the request has not come"
            time.sleep(0.02)
        assert served.stop() == 0


def test_a_client_that_dies_in_the_middle_of_an_upload_is_no_trouble(
    capfd: pytest.CaptureFixture, start: Start
):
    served = start()
    with socket.create_connection(("127.0.0.1", int(served.root.rpartition(":")[2]))) as dying:
        dying.sendall(
            b"POST /upload-store HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; "
            b"boundary=x\r\nContent-Length: 999\r\n\r\n--x\r\n"
        )
        time.sleep(0.2)  # until it is being read
    assert plain_http.get(f"{served.root}/simulator/healthz").status_code == 200
    assert served.stop() == 0
    assert capfd.readouterr().err == ""


def test_it_leaves_with_its_last_user(start: Start, tmp_path: Path):
    (tmp_path / "simulator").mkdir()
    with (tmp_path / "simulator" / "users.lock").open("a") as user:
        fcntl.flock(user, fcntl.LOCK_SH)
        served = start("--leave-when-unused")
        time.sleep(3.6)  # unused, it leaves after three
        assert served.process.poll() is None
    assert served.process.wait(PATIENCE) == 0
    served.stop()


def test_wrong_options_are_said(tmp_path: Path):
    for fault in ("create", "create:flood", "none:html", "create:html:x"):
        command = [sys.executable, "-m", "wan.simulator", "--dir", str(tmp_path), "--fault", fault]
        assert (
            subprocess.run(
                command, capture_output=True, timeout=PATIENCE, cwd=Path(__file__).parents[2]
            ).returncode
            == 2
        )


def test_results_need_no_key_and_serve_ranges(video_url: str):
    whole = plain_http.get(video_url)
    assert (whole.status_code, whole.headers["content-type"]) == (200, "video/mp4")
    part = plain_http.get(video_url, headers={"Range": "bytes=4-11"})
    assert (part.status_code, part.content) == (206, whole.content[4:12])
    assert part.headers["content-range"] == f"bytes 4-11/{len(whole.content)}"
    for forged in (
        video_url.partition("?")[0],
        video_url[:-4] + "0000",
        video_url.replace("Expires=1", "Expires=2"),
    ):
        assert plain_http.get(forged).status_code == 403


def test_tasks_and_links_expire(start: Start):
    client = start("--pending", "0", "--running", "0", "--expire", "6").client()
    task_id = client.created(image_order())
    url = client.ended(task_id)["output"]["video_url"]
    deadline = time.monotonic() + PATIENCE
    while (
        client.query(task_id)["output"]["task_status"] != "UNKNOWN"
        or (gone := plain_http.get(url)).status_code == 200
    ):
        assert time.monotonic() < deadline
        time.sleep(0.1)  # the service answers twenty such questions a second
    assert client.listed()["total"] == 0
    assert (gone.status_code, "Request has expired." in gone.text) == (403, True)
