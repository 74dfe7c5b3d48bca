"""What all jobs come to."""

import contextlib
from decimal import Decimal

from tests.blocking import Store
from tests.database.test_store import NOW, job
from wan.domain.catalog import FILM
from wan.domain.jobs import JobState, Spent

DAY = "2026-11-30"
PAID = {"spent": Spent.YES, "currency": "CNY"}
DONE = {"state": JobState.SUCCEEDED, "due_at": None, "ended_at": NOW + 50}


def test_jobs_are_counted_by_state_and_money_by_day(store: Store):
    earlier = {"created_at": NOW - 1, "state_at": NOW - 1}
    rows = [
        job(1, **DONE, **PAID, amount=Decimal("1.234567")),
        job(2, **DONE, **PAID, amount=Decimal("2.10")),
        job(3, **DONE, spent=Spent.YES, currency="USD", amount=Decimal("0.45")),
        job(4, **DONE, **PAID, amount=Decimal("9"), account="another"),
        job(5, **DONE, **PAID, amount=Decimal("4"), **earlier),
        job(6, **DONE, **PAID, amount=None),
        job(7, **DONE, currency="CNY", amount=Decimal("5")),  # it was free
        job(8, **DONE, model=FILM),
        job(9, state=JobState.UNCERTAIN, spent=Spent.MAYBE, currency="CNY", amount=Decimal("0.3")),
        job(10, state=JobState.RUNNING, currency="CNY", amount=Decimal("0.6")),
        job(11),
    ]
    for row in rows:
        store.add(row)
    whole = store.totals.read("account", DAY, NOW)
    assert whole.jobs == {
        JobState.SUCCEEDED: 7,
        JobState.UNCERTAIN: 1,
        JobState.RUNNING: 1,
        JobState.QUEUED: 1,
    }
    spent = {"CNY": Decimal("3.634567"), "USD": Decimal("0.45")}
    assert (whole.spent, whole.reserved) == (spent, 0)
    assert store.jobs.delete(rows[1], NOW)
    assert store.totals.read("account", DAY, NOW).spent == spent
    assert store.totals.read("nobody's", DAY, NOW).spent == {}


def test_what_is_reserved_counts_on_its_own_day(store: Store):
    priced = {"amount": Decimal("1.5"), "reserved": Decimal("1.5"), "currency": "CNY"}
    store.add(job(1, **priced, budget_day=DAY), budget=Decimal(20))
    assert store.totals.read("account", DAY, NOW).reserved == Decimal("1.5")
    assert store.totals.read("account", "2026-12-01", NOW).reserved == 0


def test_no_look_at_all_jobs_is_needed(tmp_path):
    opened = contextlib.closing(Store(f"sqlite:///{tmp_path / 'wan.sqlite3'}"))
    with opened as store, store.explained() as plans:
        store.totals.read("account", DAY, NOW)
    states, *spent = plans
    assert "COVERING INDEX" in states
    assert len(spent) == 2
    assert not [plan for plan in spent if "SCAN" in plan]


def test_what_is_due_is_found_without_a_look_at_what_has_ended(tmp_path):
    opened = contextlib.closing(Store(f"sqlite:///{tmp_path / 'wan.sqlite3'}"))
    with opened as store, store.explained() as plans:
        store.queue.find_next_due(["account"])
        store.queue.find_next_due(["account"], ["job1"])
        store.queue.claim(NOW, lease=1, accounts=["account"])
    assert len(plans) == 3
    assert all("jobs_due_of_account (account=? AND due_at" in plan for plan in plans), plans
