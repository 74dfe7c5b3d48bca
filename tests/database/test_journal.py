"""What is in SQLite's log is kept: by locks that no close drops, and where the log is gone after
all, by taking it in again.

An app that closes the database's files is a process of its own here, in which a line opens and
closes any file: the hole.
"""

import contextlib
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from tests.blocking import Store
from tests.database.test_discussion import ANN, BOB, OWNER, answer
from tests.database.test_store import NOW, job, kept, word
from wan.database import rescue
from wan.database.schema import METADATA
from wan.domain.errors import StorageUnavailable
from wan.domain.jobs import JobState

APP = """
import os, sys
from tests.database.test_store import job
from wan.domain.errors import StorageUnavailable
from tests.blocking import Store

store = Store(f"sqlite:///{sys.argv[1]}")
print("ready", flush=True)
for line in sys.stdin:
    verb, *given = line.split()
    if verb == "close":
        os.close(os.open(given[0], os.O_RDONLY))
    elif verb == "loose":
        store.database._journal.unlock()
    while verb == "add":
        try:
            store.add(job(int(given[0])))
            break
        except StorageUnavailable as refused:
            print(refused.message.key, end=" ", flush=True)
    print("done", flush=True)
"""
COME_AND_GO = "import sys; from wan.database.engine import Database; Database(f'sqlite:///{sys.argv[1]}').close()"


@dataclass
class Running:
    process: subprocess.Popen

    def tell(self, line: str) -> str:
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def database(tmp_path):
    return tmp_path / "wan.sqlite3"


@pytest.fixture
def app(database, environment) -> Iterator[Running]:
    """An app with one row in its log."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(
        [sys.executable, "-c", APP, str(database)], env=environment, text=True, **pipes
    ) as process:
        assert process.stdout.readline() == "ready\n"
        running = Running(process)
        assert running.tell("add 1") == "done"
        yield running
        process.kill()


def come_and_go(database, environment):
    """What `python -m wan jobs` does with the database."""
    subprocess.run([sys.executable, "-c", COME_AND_GO, str(database)], env=environment, check=True)


def rows(database) -> list[str]:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return [name for (name,) in connection.execute("SELECT id FROM jobs ORDER BY id")]


@pytest.mark.process
@pytest.mark.parametrize("file", ["", "-wal", "-shm"])
def test_an_app_that_closes_the_database_loses_no_row(app, database, environment, file):
    assert app.tell(f"close {database}{file}") == "done"
    for number in (2, 3):
        come_and_go(database, environment)
        assert app.tell(f"add {number}") == "done"
    assert database.with_name("wan.sqlite3-wal").exists()
    app.kill()
    assert rows(database) == ["job1", "job2", "job3"]


@pytest.mark.process
def test_an_app_without_such_locks_notices_and_loses_no_row(app, database, environment):
    """As where the file system has none: the log is removed, and the next one that writes puts it
    right first.
    """
    app.tell("loose")
    app.tell(f"close {database}")
    come_and_go(database, environment)
    assert not database.with_name("wan.sqlite3-wal").exists()
    assert app.tell("add 2") == "database_adrift done"
    come_and_go(database, environment)
    assert app.tell("add 3") == "done"
    app.kill()
    assert rows(database) == ["job1", "job2", "job3"]
    assert sorted(path.name for path in database.parent.glob("wan.sqlite3-rescue*")) == []


@contextlib.contextmanager
def opened(database) -> Iterator[Store]:
    with contextlib.closing(Store(f"sqlite:///{database}")) as store:
        yield store


def remove(database) -> None:
    """Somebody tidies up."""
    for end in ("wal", "shm"):
        database.with_name(f"wan.sqlite3-{end}").unlink()


def test_a_log_that_somebody_removes_is_made_good(database):
    with opened(database) as store:
        for number in range(1, 30):
            store.add(job(number))
        remove(database)
        with pytest.raises(StorageUnavailable) as refused:
            store.add(job(30))
        assert refused.value.message.key == "database_adrift"
        assert len(store.jobs.list_ids()) == 29
        store.add(job(30))
    assert len(rows(database)) == 30


def test_a_log_of_which_only_the_memory_is_left_is_made_good(database):
    with opened(database) as store:
        store.add(job(1))
        database.with_name("wan.sqlite3-wal").unlink()
        with pytest.raises(StorageUnavailable):
            store.add(job(2))
        store.add(job(2))
    assert rows(database) == ["job1", "job2"]


MEANWHILE = """
import sys
from dataclasses import replace
from tests.database.test_store import job
from wan.domain.jobs import JobState
from tests.blocking import Store

store = Store(f"sqlite:///{sys.argv[1]}")
assert store.jobs.get("job1", job().owner).task_id is None  # it knows nothing of the task
for number in range(5):
    store.jobs.withdraw_links("job1", job().owner, f"token-{number}")
store.jobs.withdraw_links("job2", job().owner, "new-token")
theirs = store.add(replace(job(4), cache_key="same", model="another"))
theirs = store.queue.advance(theirs, JobState.UPLOADING, 1.0)
store.queue.advance(theirs, JobState.SUBMITTING, 1.0, due_at=9.0)
store.close()
"""


@pytest.mark.process
def test_what_others_have_written_meanwhile_stays(database, environment):
    """A log that is gone makes two truths: what is paid for wins, else what came later.

    An index allows one live job of a kind, and one that is being sent: of two that may both be paid
    for, neither is dropped.
    """
    with opened(database) as store:
        paid, stale = store.add(job(1)), store.add(job(2))
        store.clear_log()  # as the last user would have left it
        sent = store.queue.advance(
            store.queue.advance(paid, JobState.UPLOADING, 1.0), JobState.SUBMITTING, 1.0, due_at=9.0
        )
        assert store.queue.adopt(sent, "task-of-1", "request", 2.0, 3.0)
        mine = store.add(replace(job(3), cache_key="same", model="another"))
        assert store.queue.advance(
            store.queue.advance(mine, JobState.UPLOADING, 1.0), JobState.SUBMITTING, 1.0, due_at=9.0
        )
        remove(database)
        subprocess.run(
            [sys.executable, "-c", MEANWHILE, str(database)], env=environment, check=True
        )
        with pytest.raises(StorageUnavailable):
            store.jobs.list_ids()
        assert store.jobs.get("job1", paid.owner).task_id == "task-of-1"
        assert store.jobs.get("job2", stale.owner).media_token == "new-token"
        assert store.jobs.get("job3", mine.owner).state is JobState.UNCERTAIN
        assert store.jobs.get("job4", mine.owner).state is JobState.SUBMITTING
        store.add(job(5))
    assert rows(database) == ["job1", "job2", "job3", "job4", "job5"]


def test_every_table_is_taken_from_a_copy():
    # of which SQLite has no rows
    kept = METADATA.tables.keys() - {"replicas", "limits", "key_holders"}
    assert kept == {"jobs", *rescue.MERGED}


def test_what_was_said_in_a_lost_log_is_kept(database):
    """Each change of a comment and each reply; and what was deleted does not come back."""
    with opened(database) as store:
        store.add(job(1, video_key="a"))
        kept(store)
        for comment in ("mended", "deleted", "settled", "left"):
            store.reviews.add_verdict(word("ann", id=comment, comment=f"{comment}, as it was"))
        for reply in ("first", "unsaid"):
            assert store.discussion.add_reply(BOB, answer(comment="left", id=reply))
        assert store.discussion.edit(ANN, "deleted", "deleted, as it was edited", NOW + 0.5)
        store.clear_log()
        assert store.discussion.edit(ANN, "mended", "As it is now", NOW + 1)
        assert store.discussion.delete(ANN, "deleted", NOW + 1)
        assert store.discussion.resolve(OWNER, "settled", NOW + 1, NOW + 1)
        assert store.discussion.rename(BOB, "Bob", NOW + 1)
        assert store.discussion.delete(BOB, "unsaid", NOW + 1)
        assert store.discussion.add_reply(OWNER, answer(OWNER, "left", NOW + 1, id="second"))
        store.reviews.add_verdict(word("bob", NOW + 1, id="new", comment="Said since"))
        said = store.reviews.get("review-link", "somebody")
        remove(database)
        with pytest.raises(StorageUnavailable):
            store.jobs.list_ids()
        assert store.reviews.get("review-link", "somebody") == said
        version = store.reviews.get_version("link", NOW + 2)
        assert store.discussion.edit(ANN, "mended", "And once more", NOW + 2)
        assert store.reviews.get_version("link", NOW + 2) != version


def test_what_was_said_after_a_copy_was_left_stays(database):
    """By a process that had not lost its log; what the copy alone has comes in beside it."""
    left = database.with_name("wan.sqlite3-rescue-999999999")
    with opened(database) as store:
        store.add(job(1, video_key="a"))
        kept(store)
        for comment in ("edited", "left"):
            store.reviews.add_verdict(word("ann", id=comment, comment=f"{comment}, as it was"))
        store.clear_log()
    left.write_bytes(database.read_bytes())
    with opened(left) as lost:
        for second in (1, 2, 3):
            assert lost.discussion.edit(ANN, "edited", "Edited in the lost log", NOW + second)
        assert lost.discussion.add_reply(BOB, answer(comment="left", at=NOW + 3, id="lost"))
        lost.clear_log()
    with opened(database) as store:
        assert store.discussion.edit(ANN, "edited", "Edited since", NOW + 9)
        assert store.discussion.add_reply(BOB, answer(comment="left", at=NOW + 9, id="since"))
    with opened(database) as store:
        review = store.reviews.get("review-link", "somebody")
        said = [one for take in review.takes for one in take.verdicts]
        assert {"Edited since", "left, as it was"} <= {one.comment for one in said}
        assert {reply.id for one in said for reply in one.replies} == {"lost", "since"}
    assert not left.exists()


def test_a_copy_that_a_dead_process_left_is_taken_in(database):
    with opened(database) as store:
        store.add(job(1))
    left = database.with_name("wan.sqlite3-rescue-999999999")
    left.write_bytes(database.read_bytes())
    database.unlink()
    with opened(database) as store:
        assert store.jobs.list_ids() == {"job1"}
    assert not left.exists()


def test_a_database_that_is_replaced_is_told_and_nothing_is_written_to_it(database, caplog):
    with opened(database) as store:
        store.add(job(1))
        database.rename(database.with_name("elsewhere"))
        for _ in range(2):
            with pytest.raises(StorageUnavailable):
                store.add(job(2))
        assert "put it or" in caplog.text
        assert not database.exists()
    (copy,) = database.parent.glob("wan.sqlite3-rescue-*")
    assert rows(copy) == ["job1"]


def test_many_threads_notice_at_once_and_one_makes_it_good(database):
    with opened(database) as store:
        store.add(job(0))
        remove(database)

        def write(number: int) -> None:
            while True:
                with contextlib.suppress(StorageUnavailable):
                    store.add(job(number))
                    return

        threads = [threading.Thread(target=write, args=(number,)) for number in range(1, 9)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(rows(database)) == 9


def test_the_last_one_leaves_no_log(database):
    with opened(database) as store:
        store.add(job(1))
    assert sorted(path.name for path in database.parent.glob("wan*")) == ["wan.sqlite3"]


def test_only_its_owner_reads_the_database(database):
    database.touch(0o644)
    with opened(database) as store:
        store.add(job(1))
        modes = {stat.S_IMODE(path.stat().st_mode) for path in database.parent.glob("wan.sqlite3*")}
        assert (len(list(database.parent.glob("wan.sqlite3*"))), modes) == (3, {0o600})


def test_what_is_deleted_is_in_no_file_any_more(database):
    with opened(database) as store:
        made = store.add(
            replace(
                job(1),
                state=JobState.SUCCEEDED,
                due_at=None,
                request={"prompt": "a prompt nobody shall read"},
            )
        )
        store.add(replace(job(2), request={"prompt": "another"}))
        assert store.jobs.delete(made, 1.0)
        store.clear_log()
        kept = b"".join(path.read_bytes() for path in database.parent.glob("wan.sqlite3*"))
    assert b"nobody shall read" not in kept
    assert b"another" in kept
