"""The errors of this package, and whether money was spent when one is raised.

* WanError                    carries the Sentence to show
  - InvalidInput              a field is wrong; nothing was sent
  nothing spent
  - SettingsError             a setting or the key is missing or wrong; nothing was sent
  nothing spent
  - JobNotFound               no such job of this owner
  nothing spent
  - ReviewNotFound            no such review of this owner, or no open one behind this link
  nothing spent
  - AccessRefused             the access code is missing or wrong, or a limit is reached
  nothing spent
  - MayPayTwice               a retry, while nobody knows whether the first run is billed
  nothing spent
  - NotKept                   our own disk or database fails at the moment: what was asked for
  nothing spent
                              was not done (exit code 3, as HTTP 503), and may be asked again
  - Crowded                   too much waits already that the same people asked for
  nothing spent
  - RunFailed                 a job ended without a video; `result` tells all that is known     as
  `result.spent` says
                              (`wan.domain.results`)
  + ServiceError              the service, or the way to it
    - NotSent                 the request provably never left, or never arrived
    nothing spent
    - Throttled               429: too much at once; the same request may go again later
    nothing spent
    - Refused                 the service answered no; sending the same again is pointless
    nothing spent
      - KeyRefused            401 or 403: the account is not let in, or nobody is
      nothing spent
    - Unclear                 the request may have been accepted; it must never be sent again
    perhaps spent
    - Unreadable              a question (query, list, upload) got no usable answer; ask later  as
    before
      - OddAddress            it named an address that is not the service's: nothing is fetched as
      before
  - ResultRefused             made and billed, but the file cannot be kept
  spent
    - NoVideo                 what came is no video that plays
    spent
"""

import errno
import re

from wan.domain.messages import Sentence, sentence

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class WanError(Exception):
    """The base of every error here. `sentence` is what to tell people; `str(error)` is that in
    English.
    """

    def __init__(self, said: Sentence) -> None:
        super().__init__(said.say())
        self.sentence = said


class InvalidInput(WanError):
    """Input that is refused before anything is sent. `field` is its name in
    the normalised request.
    """

    def __init__(self, field: str, key: str, **values: str | int | float) -> None:
        self.field = field
        super().__init__(sentence(key, field=field, **values))


class SettingsError(WanError):
    """A setting, or the key, is missing or wrong."""


class JobNotFound(WanError):
    """No job of this id belongs to this owner; whether it exists for somebody else is not said."""

    def __init__(self) -> None:
        super().__init__(sentence("job_missing"))


class ReviewNotFound(WanError):
    """No such review; whether there ever was one is not said."""

    def __init__(self) -> None:
        super().__init__(sentence("review_missing"))


class AccessRefused(WanError):
    """Whoever asks may not spend this: no or a wrong access code, the day's budget used up, too
    many jobs on their way.
    """


class MayPayTwice(WanError):
    """A retry of a job that may be billed, although its outcome is not known: to be done only by
    somebody who has been told so.
    """

    def __init__(self) -> None:
        super().__init__(sentence("may_pay_twice"))


class NotKept(WanError):
    """Our own disk, storage or database fails at the moment. It passes: no job in flight ends by
    it, and the same may be asked again.
    """

    def __init__(self, key: str, **values: str | int) -> None:
        super().__init__(sentence(key, **values))


class Crowded(WanError):
    """Too much waits already that the same people, or everybody, asked for; it may be asked again
    in a moment.
    """

    def __init__(self) -> None:
        super().__init__(sentence("crowded"))


class ServiceError(WanError):
    """The service said no, or did not say anything that can be used.

    `code` and `message` are the service's own (empty when it gave none), `request_id` is what to
    quote to it, `status` the HTTP status or None, `retry_after` the seconds that it asked us to
    wait, or None.
    """

    def __init__(
        self,
        said: Sentence,
        *,
        code: str = "",
        message: str = "",
        request_id: str = "",
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(said)
        self.code, self.message, self.request_id, self.status, self.retry_after = (
            code,
            message,
            request_id,
            status,
            retry_after,
        )


class NotSent(ServiceError):
    """The connection was never made: the request is provably not at the service."""


class Throttled(ServiceError):
    """429 that passes by itself: the request was not taken and may be sent again later."""


class Refused(ServiceError):
    """A no that stays a no."""


class KeyRefused(Refused):
    """401 or 403: key, region, workspace, quota, or a firewall on the way;
    the sentence says which.
    """


class Unclear(ServiceError):
    """The paid request left, and nothing proves that it was refused."""


class Unreadable(ServiceError):
    """A question that costs nothing got no usable answer: a timeout, a reset, 5xx, HTML, broken
    JSON. It may be asked again.
    """


class OddAddress(Unreadable):
    """The service named an address that is not its own. Nothing goes there or comes from there; it
    may name the right one when it is asked again.
    """


class ResultRefused(WanError):
    """The service made a video that cannot be kept: too large, or no video."""


class NoVideo(ResultRefused):
    """What came as the result is no video that plays to its end."""


def is_full(error: BaseException) -> bool:
    """Whether an error says that a disk is full."""
    if isinstance(error, OSError):
        return error.errno in _FULL
    number = re.search(r"\(os error (\d+)\)", str(error))  # obstore has no other way to say it
    return number is not None and int(number[1]) in _FULL
