"""The past prompts of an owner: their own, each once, newest first, by a query that looks at few
jobs.
"""

import contextlib
import json

import sqlalchemy as sa

from tests.blocking import Store
from tests.database.test_store import job, prompted
from wan.database.engine import Database
from wan.domain.catalog import FILM


def past(store: Store, owner: str = "somebody", limit: int = 20) -> list[str]:
    return store.listing.list_prompts(owner, limit)


def test_each_prompt_of_an_owner_is_there_once_and_the_newest_is_first(store):
    said = ["a fox", "猫\n走路", "a fox", "", "A fox", "猫\n走路", "it's “so”", "joined"]
    for number, prompt in enumerate(said):
        prompted(store, number, prompt, **({"model": FILM} if prompt == "joined" else {}))
    prompted(store, 20, "of another", owner="somebody else")
    store.add(job(21, request={"duration": 5}))
    assert past(store) == ["it's “so”", "猫\n走路", "A fox", "a fox"]
    assert past(store, limit=2) == ["it's “so”", "猫\n走路"]
    assert past(store, "somebody else") == ["of another"]
    assert past(store, "nobody") == []


def test_in_a_shared_library_they_are_nobody_elses(new_database):
    with contextlib.closing(Store(Database(new_database(), shared=True))) as store:
        prompted(store, 1, "hers", owner="ann")
        prompted(store, 2, "his", owner="ben")
        assert (past(store, "ann"), past(store, "ben"), past(store)) == (["hers"], ["his"], [])


def test_only_the_last_jobs_are_looked_at(tmp_path):
    with contextlib.closing(Store(f"sqlite:///{tmp_path / 'wan.sqlite3'}")) as store:
        prompted(store, 1, "long ago")
        with store.database.writing() as connection:
            connection.exec_driver_sql("CREATE TEMPORARY TABLE one AS SELECT * FROM jobs")
            change = sa.text(
                "UPDATE one SET id = 'job' || :number, media_token = 'token' || :number, "
                "cache_key = 'key' || :number, created_at = created_at + 1, request = :request"
            )
            for number in range(2, 203):
                request = json.dumps({"prompt": f"number {number % 30}"})
                connection.execute(change, {"number": number, "request": request})
                connection.exec_driver_sql("INSERT INTO jobs SELECT * FROM one")
        asked = list[tuple]()
        sa.event.listen(
            store.engine, "before_cursor_execute", lambda *given: asked.append(given[2:4])
        )
        assert past(store) == [f"number {number % 30}" for number in range(202, 182, -1)]
        assert "long ago" not in past(store, limit=100)
        statement, given = next(one for one in asked if one[0].startswith("SELECT"))
        with store.database.reading() as connection:
            steps = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", given).all()
        of_jobs = [step for *_, step in steps if "jobs" in step and "listed" not in step]
        assert of_jobs
        assert all(" (id=?)" in step for step in of_jobs), of_jobs
