"""Events of tasks that have ended, as EventBridge delivers them to an HTTP target.

Sources: Model Studio help centre, "receive asynchronous task completion notifications", 2026-10
(the event); EventBridge, "event target parameters", 2026 (three more tries, 10 to 20 s apart).
"""

import asyncio
import json
import logging
import uuid
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlsplit

from .tasks import Task
from .times import wall_time

_log = logging.getLogger(__name__)

LOOPBACK = ("127.0.0.1", "::1", "localhost")
PAUSES = (10.0, 15.0, 20.0)  # seconds before each further try
TIMEOUT = 10.0  # seconds


class EventTarget:
    """Where events go. url: an HTTP address on this machine. secret: sent as a Bearer token, unless
    it is "". pauses: seconds before each further try.
    """

    def __init__(self, url: str, secret: str = "", pauses: Sequence[float] = PAUSES) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or parts.hostname not in LOOPBACK:
            raise ValueError("events go to an http:// address on this machine")
        self._host, self._port = parts.hostname, parts.port
        self._target = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
        self._headers = {"Content-Type": "application/json;charset=utf-8"}
        if secret:
            self._headers["Authorization"] = f"Bearer {secret}"
        self._pauses = pauses
        self._sending: set[asyncio.Task[None]] = set()

    def announce(self, task: Task) -> None:
        """Send that a task has ended, on the running loop."""
        sending = asyncio.create_task(self._deliver(json.dumps(_event(task)).encode()))
        self._sending.add(sending)
        sending.add_done_callback(self._sending.discard)

    def close(self) -> None:
        """Give up what is not delivered yet."""
        for sending in self._sending:
            sending.cancel()

    async def _deliver(self, body: bytes) -> None:
        for pause in (*self._pauses, None):
            if await asyncio.to_thread(self._post, body) or pause is None:
                return
            await asyncio.sleep(pause)

    def _post(self, body: bytes) -> bool:
        """Return whether an event was taken."""
        try:
            with closing(HTTPConnection(self._host, self._port, timeout=TIMEOUT)) as connection:
                connection.request("POST", self._target, body, self._headers)
                return 200 <= connection.getresponse().status < 300
        except (OSError, HTTPException) as trouble:
            _log.warning("an event was not delivered: %s", type(trouble).__name__)
            return False


def _event(task: Task) -> dict[str, Any]:
    """Return the event of a task that has ended."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    account = str(int(task.account[:12], 16))
    times = {"start_time": task.started, "end_time": task.ended}
    return {
        "datacontenttype": "application/json;charset=utf-8",
        "aliyunaccountid": account,
        "aliyunpublishtime": now,
        "data": {
            **{name: wall_time(at)[:19] for name, at in times.items() if at is not None},
            "user_api_unique_key": (
                f"apikey:v1:aigc:video-generation:video-synthesis:{task.order.model}"
            ),
            "task_status": task.state,
            "contain_result": False,
            "task_id": task.id,
            "region": "cn-beijing",
            "request_id": task.request_id,
            "api_key_id": str(int(task.account[:6], 16)),
        },
        "aliyunoriginalaccountid": account,
        "specversion": "1.0",
        "aliyuneventbusname": "default",
        "id": str(uuid.uuid4()),
        "source": "acs.dashscope",
        "time": now,
        "aliyunregionid": "cn-beijing",
        "type": "dashscope:System:AsyncTaskFinish",
    }
