"""What a month cost: its bounds, and what counts when."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from wan.domain.errors import InvalidInput
from wan.domain.jobs import JobState, Spent
from wan.domain.spending import Expense, Month, report

MIDNIGHT = datetime(2026, 12, 31, tzinfo=UTC).timestamp()
ONE = Expense(
    job_id="one",
    created_at=MIDNIGHT,
    owner="hash of ann",
    account="ours",
    model="wan2.6-i2v",
    state=JobState.SUCCEEDED,
    spent=Spent.YES,
    amount=Decimal("1.5"),
    currency="CNY",
    seconds=5.0,
)


@pytest.mark.parametrize(
    ("name", "whole", "before", "after"),
    [
        ("2026-12", ("2026-12-01", "2027-01-01"), "2026-11", "2027-01"),
        ("2028-02", ("2028-02-01", "2028-03-01"), "2028-01", "2028-03"),
        ("", ("2026-12-01", "2027-01-01"), "2026-11", "2027-01"),
    ],
)
def test_a_month_begins_and_ends_at_midnight_in_utc(name, whole, before, after):
    month = Month.named(name, MIDNIGHT)
    ends = (datetime.fromtimestamp(at, UTC) for at in (month.since, month.until))
    assert tuple(f"{at:%Y-%m-%d}" for at in ends) == whole
    assert (month.before, month.after) == (before, after)


@pytest.mark.parametrize("name", ["2026-13", "2026-1", "26-01", "2026-01-01", "1999-01"])
def test_what_names_no_month_is_refused(name: str):
    with pytest.raises(InvalidInput, match="YYYY-MM"):
        Month.named(name, MIDNIGHT)


def test_the_day_begins_at_midnight():
    month = Month.named("", MIDNIGHT)
    jobs = [
        ONE,
        replace(ONE, created_at=MIDNIGHT - 1),
        replace(ONE, state=JobState.RUNNING, spent=Spent.NO),
    ]
    made = report(jobs, month, MIDNIGHT + 3600, {"hash of ann": "ann"}, "ours")
    (ann,) = made.own
    assert made.is_present
    assert (ann.person, ann.today.videos, ann.month.videos) == ("ann", 1, 2)
    assert (ann.today.cost, ann.month.cost) == ({"CNY": Decimal("1.5")}, {"CNY": Decimal(3)})
    assert ann.today.pending == {"CNY": Decimal("1.5")}
    later = report(jobs, month, month.until, {}, "ours")
    assert not later.is_present
    assert [share.person for share in later.own] == [""]
