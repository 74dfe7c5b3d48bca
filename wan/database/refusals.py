"""What the database refuses, with its figures. Nothing is written then; `wan.service.refusals` has
the messages.
"""

from dataclasses import dataclass
from decimal import Decimal


class Refusal(Exception):
    """A limit is reached."""


@dataclass(eq=False)
class OverBudget(Refusal):
    """The day's budget of an account, or of a person, does not reach."""

    budget: Decimal
    spent: Decimal
    price: Decimal
    currency: str
    is_persons: bool = False


@dataclass(eq=False)
class TooManyJobs(Refusal):
    """An owner has as many jobs on their way as allowed."""

    limit: int
    live: int
    """How many there would be."""
    new: int


@dataclass(eq=False)
class TooManyJobsOfAddress(Refusal):
    """An address has as many jobs on their way as allowed."""

    limit: int


@dataclass(eq=False)
class TooManyFilms(Refusal):
    """An owner has as many films as allowed."""

    limit: int


@dataclass(eq=False)
class TooManyReviews(Refusal):
    """An owner has as many reviews as allowed."""

    limit: int


@dataclass(eq=False)
class TooManyTakes(Refusal):
    """A review would have more takes than allowed."""

    limit: int
    there: int
    """How many it has."""
    new: int


@dataclass(eq=False)
class ReviewFull(Refusal):
    """A review takes no more verdicts."""

    limit: int


@dataclass(eq=False)
class NetworkFull(Refusal):
    """A review takes no more verdicts from a network."""


@dataclass(eq=False)
class TooManyReplies(Refusal):
    """A comment has as many replies as allowed."""

    limit: int


@dataclass(eq=False)
class TooManyComments(Refusal):
    """A person has left as many comments in a review as allowed."""

    limit: int
