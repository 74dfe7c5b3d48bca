"""The service's answers, read by our own models, and what the answer to a paid request proves."""

import math
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, TypeVar

import httpx
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ValidationError,
    model_validator,
)

from wan.domain.errors import (
    BadResponse,
    KeyRefused,
    NotSent,
    Refused,
    ServiceError,
    SubmissionUnknown,
    Throttled,
)
from wan.domain.messages import Message
from wan.domain.plain_text import clean
from wan.domain.redact import strip_signatures
from wan.environment.connection import Connection
from wan.provider.refusals import (
    PASSES,
    PASSING_429,
    describe_block,
    describe_unusable,
    explain,
    find_cause,
    host_of,
    is_html,
)

# Proof that a request never left: no connection, nothing written to it, or none by the proxy.
NEVER_LEFT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.LocalProtocolError,
    httpx.UnsupportedProtocol,
    httpx.ProxyError,
)


class _Wire(BaseModel):
    """Part of an answer. A null counts as missing: it must not hide the task id beside it."""

    model_config = ConfigDict(extra="ignore")

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, given: Any) -> Any:
        return (
            {name: value for name, value in given.items() if value is not None}
            if isinstance(given, dict)
            else given
        )


def _clean_words(words: str) -> str:
    """Clean the service's own words for people, and cut signatures out of URLs in them."""
    return strip_signatures(clean(words))


_Words = Annotated[str, AfterValidator(_clean_words)]


def _read_time(given: object) -> datetime | None:
    """Read a time of the service's clock; what it cannot be is as if it were not there."""
    try:
        return datetime.fromisoformat(str(given))
    except ValueError:
        return None


_Time = Annotated[datetime | None, BeforeValidator(_read_time)]


class _TaskOutput(_Wire):
    task_id: str = ""
    task_status: str = ""
    submit_time: _Time = None
    scheduled_time: _Time = None
    end_time: _Time = None
    video_url: str = ""
    orig_prompt: str = ""
    code: _Words = ""
    message: _Words = ""

    @property
    def wait_seconds(self) -> float | None:
        """Seconds from when the task was taken to its start, where both are known."""
        return _seconds(self.submit_time, self.scheduled_time)

    @property
    def run_seconds(self) -> float | None:
        """Seconds from its start to its end, where both are known."""
        return _seconds(self.scheduled_time, self.end_time)


def _seconds(since: datetime | None, until: datetime | None) -> float | None:
    try:
        return max((until - since).total_seconds(), 0.0) if since and until else None
    except TypeError:  # one of them names its time zone, and the other does not
        return None


class _Usage(_Wire):
    duration: float | None = None


class TaskAnswer(_Wire):
    """The answer to create and to query; an error has `code` and `message` at the top."""

    output: _TaskOutput = _TaskOutput()
    usage: _Usage | None = None
    request_id: _Words = ""
    code: _Words = ""
    message: _Words = ""


class _ListedTask(_Wire):
    task_id: str
    gmt_create: float
    """Milliseconds since 1970."""


class ListAnswer(_Wire):
    """The documented body; the SDK looks for `tasks` and finds nothing."""

    data: list[_ListedTask]
    total_page: int


class Policy(_Wire):
    """Permission to upload one file."""

    policy: str
    signature: str
    upload_dir: str
    upload_host: str
    oss_access_key_id: str
    x_oss_object_acl: str = "private"
    x_oss_forbid_overwrite: str = "true"


class PolicyAnswer(_Wire):
    """The answer to a question for an upload policy."""

    data: Policy
    request_id: str = ""


_Answer = TypeVar("_Answer", bound=_Wire)


class TaskStatus(StrEnum):
    """The service's own states of a task, in its own spelling."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True)
class Accepted:
    """The task of a paid request that was accepted."""

    task_id: str
    request_id: str


@dataclass(frozen=True)
class TaskSnapshot:
    """The service's answer about a task at one moment."""

    status: TaskStatus
    request_id: str
    video_url: str = ""
    orig_prompt: str = ""
    """The prompt as the service got it; given only once a task has SUCCEEDED."""
    code: str = ""
    message: str = ""
    billed_seconds: float | None = None
    """Billed seconds of video, where the service has given them."""
    wait_seconds: float | None = None
    """From when the service took the task to its start, by its own clock, where it tells both."""
    run_seconds: float | None = None
    """Likewise, from its start to its end."""


def judge_create(
    outcome: httpx.Response | BaseException,
    connection: Connection,
    unreached: Message | None = None,
) -> Accepted:
    """Judge what the outcome of the paid request proves.

    Accepted: 200 (or another 2xx) with a task id. Raises NotSent when the connection was never
    made; Throttled for a 429 that passes; Refused (KeyRefused for 401 and 403) for the other 4xx
    but 408 and 409, and for a 200 with a `code` and no task id. Everything else raises
    SubmissionUnknown: timeouts, resets, cut or garbled answers, 5xx, HTML. Judged by wire status
    and `__cause__`, never by the SDK's classes, which map by body code. unreached: the message for
    a connection that was not made.
    """
    if isinstance(outcome, BaseException):
        if isinstance(outcome, NEVER_LEFT) or isinstance(outcome.__cause__, NEVER_LEFT):
            raise NotSent(unreached or Message.of("not_reached"), detail=str(outcome)) from outcome
        raise SubmissionUnknown(
            Message.of("uncertain"), detail=type(outcome.__cause__ or outcome).__name__
        ) from outcome
    status = outcome.status_code
    if 400 <= status < 500 and status not in (408, 409):
        raise make_refusal(outcome, connection)
    answer = parse_answer(TaskAnswer, outcome) if outcome.is_success else None
    if answer is not None and answer.output.task_id:
        return Accepted(answer.output.task_id, answer.request_id)
    if answer is not None and answer.code:
        raise make_refusal(outcome, connection)
    raise SubmissionUnknown(
        Message.of("uncertain"), status=status, request_id=answer.request_id if answer else ""
    )


def task_failure(snapshot: TaskSnapshot, connection: Connection) -> ServiceError:
    """Return the error of a FAILED task, which is not billed."""
    otherwise = "task_failed_for_now" if snapshot.code.startswith(PASSES) else "task_failed"
    said = explain(snapshot.code, snapshot.message, otherwise, connection)
    return Refused(said, code=snapshot.code, detail=snapshot.message)


def make_refusal(response: httpx.Response, connection: Connection) -> ServiceError:
    """Turn a refusal into an error by status and code; without a code it is not the service's."""
    answer = parse_answer(TaskAnswer, response) or TaskAnswer()
    code, status = answer.code or answer.output.code, response.status_code
    about: dict[str, Any] = {
        "code": code,
        "detail": answer.message,
        "request_id": answer.request_id,
        "status": status,
    }
    cause = find_cause(code, answer.message)
    if status == httpx.codes.TOO_MANY_REQUESTS and cause in PASSING_429:
        said = (
            describe_block(status, host_of(connection))
            if not code and is_html(response)
            else explain(code or f"HTTP {status}", answer.message, "busy", connection)
        )
        return Throttled(
            said, retry_after=_parse_seconds(response.headers.get("retry-after")), **about
        )
    if status >= 500 or status == httpx.codes.REQUEST_TIMEOUT:
        return BadResponse(describe_unusable(response, host_of(connection)), **about)
    if not code:
        return (KeyRefused if status in (401, 403) else Refused)(
            describe_block(status, host_of(connection)), **about
        )
    if status in (401, 403):
        return KeyRefused(explain(code, answer.message, "access_denied", connection), **about)
    return Refused(explain(code, answer.message, "refused", connection), **about)


def read_answer(kind: type[_Answer], response: httpx.Response) -> _Answer:
    """Read a 200 into our own model. Raises BadResponse for HTML, bad JSON or other content."""
    answer = parse_answer(kind, response)
    if answer is None:
        raise BadResponse(
            describe_unusable(response, response.request.url.host), status=response.status_code
        )
    return answer


def parse_answer(kind: type[_Answer], response: httpx.Response) -> _Answer | None:
    """Parse an answer; None for what does not fit the model."""
    try:
        return kind.model_validate_json(response.content)
    except ValidationError:
        return None


def _parse_seconds(retry_after: str | None) -> float | None:
    """Parse Retry-After in seconds; the service does not use the form with a date."""
    try:
        seconds = float(retry_after or "")
    except ValueError:
        return None
    return max(seconds, 0.0) if math.isfinite(seconds) else None
