"""What the database refuses, in words."""

import contextlib
from collections.abc import Iterator

from wan.database.refusals import (
    NetworkFull,
    OverBudget,
    Refusal,
    ReviewFull,
    TooManyComments,
    TooManyJobs,
    TooManyJobsOfAddress,
    TooManyReviews,
)
from wan.domain.catalog import format_money
from wan.domain.errors import AccessRefused
from wan.domain.messages import Sentence, sentence


@contextlib.contextmanager
def refusals_in_words() -> Iterator[None]:
    """Inside the block, what the database refuses is raised as AccessRefused, in words."""
    try:
        yield
    except Refusal as refusal:
        raise AccessRefused(_sentence(refusal)) from None


def _sentence(refusal: Refusal) -> Sentence:
    match refusal:
        case OverBudget(budget, spent, price, currency):
            return sentence(
                "budget_spent",
                budget=format_money(budget, currency),
                spent=format_money(spent, currency),
                price=format_money(price, currency),
            )
        case TooManyJobs(limit, live, new) if new > 1:
            return sentence("takes_many", high=limit, given=live)
        case TooManyJobs(limit):
            return sentence("jobs_many", high=limit)
        case TooManyJobsOfAddress(limit):
            return sentence("address_jobs_many", high=limit)
        case TooManyReviews(limit):
            return sentence("reviews_many", high=limit)
        case ReviewFull(limit):
            return sentence("review_full", high=limit)
        case NetworkFull():
            return sentence("review_network_full")
        case TooManyComments(limit):
            return sentence("review_comments_many", high=limit)
    raise refusal
