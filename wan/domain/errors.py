"""The errors of this package, and whether money was spent when one is raised.

* WanError                carries the message to show
  - InvalidInput          a field is wrong; nothing was sent                       nothing spent
  - SettingsError         a setting or the key is missing or wrong                 nothing spent
  - JobNotFound           no such job that this owner sees                         nothing spent
  - ReviewNotFound        no such review of this owner, or none behind this link   nothing spent
  - AccessRefused         access code missing or wrong, or a limit reached         nothing spent
  - MayPayTwice           a retry while the first run may be billed                nothing spent
  - StorageUnavailable    our own disk or database fails (exit code 3, HTTP 503)   nothing spent
  - Crowded               too much of the same people is waiting already           nothing spent
  - RunFailed             a job ended without a video (`wan.domain.results`)       `result.spent`
  + ServiceError          the service, or the way to it
    - NotSent             the request provably never left, or never arrived        nothing spent
    - Throttled           429: the same request may go again later                 nothing spent
    - Refused             the service answered no; sending it again is pointless   nothing spent
      - KeyRefused        401 or 403: the account is not let in, or nobody is      nothing spent
    - SubmissionUnknown   it may have been accepted; it must never be sent again   perhaps spent
    - BadResponse         a question (query, list, upload) got no usable answer    as before
      - UntrustedAddress  it named an address that is not the service's            as before
  - ResultRefused         made and billed, but the file cannot be kept             spent
    - NotAVideo           the result is not a video that plays                     spent
"""

import errno
import re
from typing import Self

from wan.domain.messages import Message

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class WanError(Exception):
    """The base of every error here. `message` is for people; `str(error)` is its English text."""

    def __init__(self, said: Message) -> None:
        super().__init__(said.say())
        self.message = said


class InvalidInput(WanError):
    """Input that is refused before anything is sent; `field` is its name in the request."""

    def __init__(self, field: str, key: str, **values: str | int | float) -> None:
        self.field = field
        super().__init__(Message.of(key, field=field, **values))


class SettingsError(WanError):
    """A setting, or the key, is missing or wrong."""

    @classmethod
    def about(cls, field: str, given: str, allowed: str) -> Self:
        """Make the error of a wrong value. field: the setting's name. allowed: in words."""
        return cls(Message.of("setting_bad", field=field, given=given, allowed=allowed))


class JobNotFound(WanError):
    """This owner sees no job with this id. Nothing is said about those that they do not see."""

    def __init__(self) -> None:
        super().__init__(Message.of("job_missing"))


class ReviewNotFound(WanError):
    """There is no such review. Nothing is said about whether there ever was one."""

    def __init__(self) -> None:
        super().__init__(Message.of("review_missing"))


class AccessRefused(WanError):
    """The caller may not spend this: access code, daily budget or number of jobs forbid it."""


class MayPayTwice(WanError):
    """A retry of a job that may be billed; only somebody who knows that may insist on it."""

    def __init__(self) -> None:
        super().__init__(Message.of("may_pay_twice"))


class StorageUnavailable(WanError):
    """Our own disk, storage or database fails for now; jobs go on, and the call may be repeated."""

    def __init__(self, key: str, **values: str | int) -> None:
        super().__init__(Message.of(key, **values))


class Crowded(WanError):
    """Too many calls of the same people, or of everybody, are waiting; the call may be repeated."""

    def __init__(self) -> None:
        super().__init__(Message.of("crowded"))


class ServiceError(WanError):
    """The service refused, or gave no usable answer.

    `code` and `detail` are the service's own (empty when it gave none), `request_id` is what to
    quote to it, `status` the HTTP status or None, `retry_after` the seconds that it asked us to
    wait, or None.
    """

    def __init__(
        self,
        said: Message,
        *,
        code: str = "",
        detail: str = "",
        request_id: str = "",
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(said)
        self.code, self.detail, self.request_id = code, detail, request_id
        self.status, self.retry_after = status, retry_after


class NotSent(ServiceError):
    """The connection was never made: the request is provably not at the service."""


class Throttled(ServiceError):
    """A 429 that passes: the request was not accepted and may be sent again later."""


class Refused(ServiceError):
    """A refusal that stays one."""


class KeyRefused(Refused):
    """401 or 403: key, region, workspace, quota or a firewall; the message says which."""


class SubmissionUnknown(ServiceError):
    """The paid request left, and nothing proves that it was refused."""


class BadResponse(ServiceError):
    """A free question got no usable answer (timeout, reset, 5xx, HTML, bad JSON); ask again."""


class UntrustedAddress(BadResponse):
    """The service named an address that is not its own: it is not used; ask again."""


class ResultRefused(WanError):
    """The service made a video that cannot be kept: too large, or not a video."""


class NotAVideo(ResultRefused):
    """The result is not a video that plays to its end."""


def is_full(error: BaseException) -> bool:
    """Tell whether an error says that a disk is full."""
    if isinstance(error, OSError):
        return error.errno in _FULL
    number = re.search(r"\(os error (\d+)\)", str(error))  # obstore says it in words only
    return number is not None and int(number[1]) in _FULL
