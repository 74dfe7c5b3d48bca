"""Messages for what the database refuses."""

import contextlib
from collections.abc import Iterator
from decimal import Decimal

from wan.database.refusals import (
    NetworkFull,
    OverBudget,
    Refusal,
    ReviewFull,
    TooManyComments,
    TooManyFilms,
    TooManyJobs,
    TooManyJobsOfAddress,
    TooManyReplies,
    TooManyReviews,
    TooManyTakes,
)
from wan.domain.catalog import format_money
from wan.domain.errors import AccessRefused
from wan.domain.messages import Message


@contextlib.contextmanager
def explain_refusals() -> Iterator[None]:
    """Inside the block, raise what the database refuses as AccessRefused, with a message."""
    try:
        yield
    except Refusal as refusal:
        raise AccessRefused(_message(refusal)) from None


def _message(refusal: Refusal) -> Message:
    match refusal:
        case OverBudget(budget, spent, price, currency, is_persons):
            return Message.of(
                "budget_of_person" if is_persons else "budget_spent",
                budget=format_money(budget, currency),
                spent=format_money(spent, currency),
                left=format_money(max(budget - spent, Decimal(0)), currency),
                price=format_money(price, currency),
            )
        case TooManyJobs(limit, live, new) if new > 1:
            return Message.of("takes_many", high=limit, given=live)
        case TooManyJobs(limit):
            return Message.of("jobs_many", high=limit)
        case TooManyJobsOfAddress(limit):
            return Message.of("address_jobs_many", high=limit)
        case TooManyFilms(limit):
            return Message.of("films_many", high=limit)
    return _message_of_review(refusal)


def _message_of_review(refusal: Refusal) -> Message:
    match refusal:
        case TooManyReviews(limit):
            return Message.of("reviews_many", high=limit)
        case TooManyTakes(limit, there, new):
            return Message.of("review_takes_full", high=limit, there=there, given=new)
        case ReviewFull(limit):
            return Message.of("review_full", high=limit)
        case NetworkFull():
            return Message.of("review_network_full")
        case TooManyReplies(limit):
            return Message.of("review_replies_many", high=limit)
        case TooManyComments(limit):
            return Message.of("review_comments_many", high=limit)
    raise refusal
