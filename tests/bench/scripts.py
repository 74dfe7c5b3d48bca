"""Programs that ask for videos over HTTP, each of an owner and on an address of its own, and ask
again when they get no answer.
"""

import json
import secrets
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import httpx

from tests import plain_http
from tests.attacks.visitor import API
from tests.patience import PATIENCE
from tests.pictures import picture

_AGAIN = 1.0  # seconds until it asks again
_FAILING = 20  # of so many jobs one fails at the service
IsTime = Callable[[int, int], bool]
"""Whether it is time for one of so many jobs."""


class NoAnswer(Exception):
    """Nobody knows what has become of a request."""


class Script:
    """One of them."""

    def __init__(self, url: str, number: int) -> None:
        transport = httpx.HTTPTransport(local_address=f"127.0.1.{number + 1}")
        token = {"X-Wan-Token": secrets.token_urlsafe(32)}
        self._http = plain_http.Client(base_url=url, transport=transport, headers=token, timeout=30)
        self.refusals = Counter[str]()

    @property
    def asked_again(self) -> int:
        """How often it had no answer."""
        return self.refusals.total()

    def order(self, numbers: Sequence[int], of: int, is_time: IsTime) -> None:
        """Asks for some of so many jobs, each when it is time."""
        for number in numbers:
            while not is_time(number, of):
                time.sleep(0.2)
            self.order_one(number)

    def order_one(self, number: int, **more: Any) -> dict[str, Any]:
        """Asks until there is an answer; the job. Raises TimeoutError."""
        give_up = time.monotonic() + PATIENCE
        while time.monotonic() < give_up:
            try:
                return self._ask(number, more)
            except (httpx.HTTPError, NoAnswer) as error:
                self.refusals[f"{type(error).__name__}: {str(error)[:120]}"] += 1
                time.sleep(_AGAIN)
        raise TimeoutError(str(self.refusals))

    def _ask(self, number: int, more: dict[str, Any]) -> dict[str, Any]:
        image = picture((400 + number % 50, 300), color=(number % 256, 80, 120))
        prompt = f"job {number} of the storm"
        if number % _FAILING == _FAILING - 1:
            prompt += ", simulate:DataInspectionFailed"
        given = {"prompt": prompt, "duration": 2, "audio": False, "wait": 0, **more}
        path = _of(self._http.post(f"{API}/upload", files={"files": ("a.png", image)}))[0]
        file = {"path": path, "meta": {"_type": "gradio.FileData"}}
        if number % 3:
            return self._call("image_to_video", given | {"reference_image": file})
        return self._call("reference_to_video", given | {"references": [file]})

    def _call(self, name: str, given: dict[str, Any]) -> dict[str, Any]:
        event = _of(self._http.post(f"{API}/call/v2/{name}", json=given))["event_id"]
        with self._http.stream("GET", f"{API}/call/{name}/{event}") as answer:
            for line in answer.iter_lines():
                if line.startswith("event: "):
                    kind = line.removeprefix("event: ")
                elif line.startswith("data: ") and kind in ("complete", "error"):
                    if kind == "complete":
                        return json.loads(line.removeprefix("data: "))
                    raise NoAnswer(line)
        raise NoAnswer("the stream ended")


def _of(answer: httpx.Response) -> Any:
    if answer.status_code != httpx.codes.OK:
        raise NoAnswer(f"{answer.status_code} {answer.text}")
    return answer.json()
