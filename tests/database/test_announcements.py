"""Ends of tasks that are announced: their jobs are due now, once, and no lease is touched."""

import pytest

from tests.database.test_store import ACCOUNTS, NOW, claimed, job
from wan.domain.jobs import JobState


def sent(number=1, **changes):
    """A job whose task is at the service, to be polled in a minute."""
    given = {"state": JobState.RUNNING, "task_id": f"task{number}", "due_at": NOW + 60}
    return job(number, **given | changes)


def due(store, number=1) -> float:
    return store.jobs.get(f"job{number}", "somebody").due_at


@pytest.mark.parametrize("state", [JobState.PENDING, JobState.RUNNING])
def test_a_task_that_is_said_to_have_ended_is_due_now(store, state):
    store.add(sent(1, state=state))
    store.add(sent(2))
    assert store.announcements.announce("task1", ACCOUNTS, NOW + 1)
    assert (due(store, 1), due(store, 2)) == (NOW + 1, NOW + 60)
    assert claimed(store, NOW + 1).id == "job1"


def test_each_end_is_announced_once(store):
    store.add(sent())
    assert store.announcements.announce("task1", ACCOUNTS, NOW + 1)
    polled = store.queue.keep(claimed(store, NOW + 1), NOW + 2, due_at=NOW + 90)
    assert store.announcements.announce("task1", ACCOUNTS, NOW + 3)
    assert due(store) == polled.due_at == NOW + 90


def test_a_lease_in_hand_is_not_touched(store):
    store.add(sent(due_at=NOW))
    held = claimed(store, NOW)
    assert not store.announcements.announce("task1", ACCOUNTS, NOW + 1)
    kept = store.queue.keep(held, NOW + 2, due_at=NOW + 90)
    assert kept is not None, "whoever holds it can write"
    assert store.announcements.announce("task1", ACCOUNTS, NOW + 3), "which it does again later"
    assert due(store) == NOW + 3


def test_what_is_not_at_the_service_stays_as_it_is(store):
    others = [state for state in JobState if state not in (JobState.PENDING, JobState.RUNNING)]
    for number, state in enumerate(others):
        store.add(sent(number, state=state, model=f"model{number}"))
        assert store.announcements.announce(f"task{number}", ACCOUNTS, NOW)
        assert due(store, number) == NOW + 60, state


def test_nothing_happens_for_what_is_due_elsewhere_or_unknown(store):
    store.add(sent(1, due_at=NOW - 5))
    store.add(sent(2, account="another"))
    for task in ("task1", "task2", "unknown", ""):
        assert store.announcements.announce(task, ACCOUNTS, NOW)
    assert (due(store, 1), due(store, 2)) == (NOW - 5, NOW + 60)


def test_how_late_the_last_end_was_announced(store):
    late = store.durations.find_last_delay
    assert late(sent()) is None
    for number, announced in enumerate((True, False, True)):
        store.add(sent(number, submitted_at=NOW, run_seconds=80.0))
        if announced:
            assert store.announcements.announce(f"task{number}", ACCOUNTS, NOW)
        row = store.jobs.get(f"job{number}", "somebody")
        fetching = store.queue.advance(
            row, JobState.FETCHING, NOW, fetching_at=NOW + 83, due_at=NOW + number
        )
        store.queue.advance(fetching, JobState.SUCCEEDED, NOW + number)
        assert late(sent()) == (3.0 if announced else None)
    assert late(sent(account="another")) is None
    assert late(sent(model="wan2.6-r2v")) is None
