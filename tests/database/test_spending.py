"""What a job cost outlives the job."""

from decimal import Decimal

import sqlalchemy as sa

from tests.blocking import Store
from tests.database.test_store import NOW, job
from wan.domain.jobs import JobState, Spent

END = {"state": JobState.SUCCEEDED, "due_at": None, "ended_at": NOW, "currency": "CNY"}


def test_what_deleted_jobs_cost_is_kept_and_nothing_else(store: Store):
    paid = {"spent": Spent.YES, "amount": Decimal("1.234567"), "request": {"prompt": "a sea"}}
    jobs = [job(1, **END, **paid), job(2, **END, **paid), job(3, **END), job(4, **paid)]
    for one in jobs:
        store.add(one)

    def listed() -> list[tuple]:
        found = store.spending.list_expenses(NOW, NOW + 10)
        return [(one.job_id, one.deleted, one.prompt, one.amount, one.seconds) for one in found]

    cost, whole = Decimal("1.234567"), listed()
    assert whole[-1] == ("job1", False, "a sea", cost, None)
    assert store.jobs.delete(jobs[0], NOW)
    store.jobs.forget_ended(NOW + 1)
    for _ in range(2):
        assert listed() == [
            ("job4", False, "a sea", cost, None),
            ("job2", True, "", cost, None),
            ("job1", True, "", cost, None),
        ]
        store.jobs.forget_ended(NOW + 1)
        store.spending.forget(NOW + 1)
    assert store.spending.list_expenses(NOW + 2, NOW + 4) == whole_of(store, "job2")
    store.spending.forget(NOW + 3)
    assert [one for one, *_ in listed()] == ["job4"]


def test_what_is_deleted_while_it_is_listed_counts_once(store: Store):
    paid = job(1, **END, spent=Spent.YES, amount=Decimal(1))
    store.add(paid)
    deleted = []

    def delete(_connection, _cursor, statement, *_):
        if not deleted and statement.startswith("SELECT") and "FROM jobs" in statement:
            deleted.append(True)
            assert store.jobs.delete(paid, NOW)

    sa.event.listen(store.engine, "after_cursor_execute", delete)
    assert [one.job_id for one in store.spending.list_expenses(0, 2 * NOW)] == ["job1"]
    assert [one.deleted for one in whole_of(store, "job1")] == [True]


def whole_of(store: Store, *names: str) -> list:
    return [one for one in store.spending.list_expenses(0, 2 * NOW) if one.job_id in names]
