"""The short rows by which the library is counted, filtered and searched are always those of the
jobs.
"""

import contextlib

import sqlalchemy as sa

from tests import old
from tests.blocking import Store
from tests.database.test_store import NOW, found, list_page, prompted
from wan.database.listed import LISTED
from wan.database.schema import JOBS
from wan.domain.jobs import JobState


def listed(store: Store) -> list[tuple]:
    """Each row, and what it should be."""
    columns = (JOBS.c[name] for name in ("owner", "created_at", "id", "state", "model"))
    labels = (JOBS.c.starred, JOBS.c.project, JOBS.c.prompt_folded, JOBS.c.name_folded)
    with store.database.reading() as connection:
        rows = connection.execute(LISTED.select().order_by(LISTED.c.id)).all()
        jobs = connection.execute(sa.select(*columns, *labels).order_by(JOBS.c.id)).all()
    same = [
        (*of_job, bool(starred), project or "", f"{prompt or ''}\n{name or ''}")
        for *of_job, starred, project, prompt, name in jobs
    ]
    assert rows == same
    return rows


def test_every_job_has_its_short_row_however_it_is_changed(store):
    for number in range(4):
        prompted(store, number, f"A Cat {number}")
    assert len(listed(store)) == 4
    store.jobs.label(["job1"], "somebody", {"name": "Wide", "starred": True, "project": "Spring"})
    assert listed(store)[1][-3:] == (True, "Spring", "a cat 1\nwide")
    for one in store.queue.claim(NOW, lease=1, accounts=["account"]):
        store.queue.advance(one, JobState.CANCELLED, NOW)
    assert {row.state for row in listed(store)} == {"CANCELLED"}
    assert store.jobs.delete(store.jobs.get("job2", "somebody"), NOW)
    assert [row.id for row in listed(store)] == ["job0", "job1", "job3"]
    store.jobs.forget_ended(NOW + 1)
    assert listed(store) == []


def test_a_version_that_knows_no_short_rows_writes_beside_this_one(store):
    prompted(store, 1, "a cat")
    store.jobs.label(["job1"], "somebody", {"starred": True})
    writes = [
        "CREATE TEMPORARY TABLE copied AS SELECT * FROM jobs",
        "UPDATE copied SET id = 'job2', media_token = 'token2', cache_key = 'key2', "
        "prompt_folded = NULL, starred = NULL, created_at = created_at + 1",
        "INSERT INTO jobs SELECT * FROM copied",
        "UPDATE jobs SET state = 'FAILED' WHERE id = 'job1'",
    ]
    with store.database.writing() as connection:
        for write in writes:
            connection.exec_driver_sql(write)
    assert found(store, "cat") == ["job2", "job1"], "whose prompt nobody has folded too"
    page = list_page(store)
    assert ([one.id for one in page.jobs], page.live, page.starred) == (["job2", "job1"], 1, 1)
    with store.database.writing() as connection:
        connection.exec_driver_sql("DELETE FROM jobs WHERE id = 'job2'")
    assert list_page(store).total == len(listed(store)) == 1


def test_an_earlier_database_gets_its_short_rows_and_rows_that_are_missing_come_back(new_database):
    database = old.made(new_database)
    with contextlib.closing(Store(database)) as store:
        whole = listed(store)
        assert len(whole) == len(old._WHOLE["rows"]["jobs"])
        with store.database.writing() as connection:
            connection.execute(LISTED.delete().where(LISTED.c.id == whole[0].id))
    with contextlib.closing(Store(database)) as store:
        assert listed(store) == whole


def test_a_search_finds_short_words_and_any_part_of_a_sentence(store):
    prompts = ["清晨的港口，一只猫在雨中走过。", "Äpfel im Ofen", "a 100% cat_walk", "猫", "x\\y"]
    for number, prompt in enumerate(prompts):
        prompted(store, number, prompt)
    store.jobs.label(["job4"], "somebody", {"name": "Ende"})
    words = [
        "雨中",
        "中",
        "的港口，一",
        "ä",
        "of",
        "a",
        "0%",
        "t_w",
        "at_walk",
        "猫",
        "猫在",
        "\\",
        "yende",
        "en",
    ]
    for word in words:
        expected = [
            f"job{number}"
            for number, prompt in reversed([*enumerate(prompts)])
            if word in prompt.casefold() or word in ("ende" if number == 4 else "")
        ]
        assert found(store, word) == expected, word


def test_a_page_reads_no_more_of_the_long_rows_than_it_shows(tmp_path):
    with contextlib.closing(Store(f"sqlite:///{tmp_path / 'wan.sqlite3'}")) as store:
        prompted(store, 1, "a cat")
        asked = list[tuple]()
        sa.event.listen(
            store.engine, "before_cursor_execute", lambda *given: asked.append(given[2:4])
        )
        for search in ("", "cat", "猫", "dog cat"):
            list_page(store, words=tuple(search.split()), until=NOW + 9)
        assert asked
        with store.database.reading() as connection:
            for statement, given in asked.copy():
                if statement.startswith("SELECT"):
                    plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", given)
                    steps = [step for *_, step in plan if " jobs" in step]
                    assert all(" (id=?)" in step for step in steps), steps
