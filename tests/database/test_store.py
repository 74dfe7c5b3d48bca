"""The rules that the database holds: fenced writes, the join, one SUBMITTING at a time, the task id
that is never lost.
"""

import contextlib
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from functools import partial

import pytest
import sqlalchemy as sa

from tests import old
from tests.blocking import Store
from wan.database.engine import Database
from wan.database.refusals import NetworkFull, ReviewFull, TooManyComments, TooManyJobsOfAddress
from wan.database.schema import JOBS, VERDICTS
from wan.domain import ids
from wan.domain.errors import ReviewNotFound
from wan.domain.jobs import (
    GROUPS,
    LIVE,
    TRANSITIONS,
    Job,
    JobFilter,
    JobPage,
    JobPlace,
    JobState,
    Reference,
    Spent,
)
from wan.domain.messages import Message
from wan.domain.reviews import Review, Take, Verdict

NOW = 1_000.0
ACCOUNTS = ["account"]


def job(number=1, **changes) -> Job:
    values = {
        "id": f"job{number}",
        "owner": "somebody",
        "account": "account",
        "backend": "simulator",
        "base_url": "",
        "region": "cn-beijing",
        "workspace": "",
        "model": "wan2.6-i2v-flash",
        "due_at": NOW,
        "brief_id": f"brief{number}",
        "created_at": NOW + number,
        "state_at": NOW,
        "media_token": f"token{number}",
        "cache_key": f"key{number}",
        "request": {"duration": 5, "size": "1280*720"},
    }
    return Job(**values | changes)


def claimed(store, at=NOW) -> Job:
    (only,) = store.queue.claim(at, lease=120, accounts=ACCOUNTS)
    return only


def test_a_job_comes_back_as_it_was_written(store):
    written = job(
        references=[
            Reference(
                kind="video", sha256="a", key="k", sent_key="k", width=1, height=2, seconds=2.5
            ),
            Reference(kind="image", name="猫.png"),
        ],
        adjustments=[Message.of("image_upright")],
        said=Message.of("not_reached"),
        amount=Decimal("0.4125"),
        currency="CNY",
        seed=2**31 - 1,
        payload={"input": {"prompt": "图"}},
    )
    store.add(written)
    assert store.jobs.get("job1", "somebody") == written
    assert store.jobs.get("job1", "somebody else") is None
    store.add(job(2, media_token="Token1"))
    assert store.jobs.get_by_media_token("token1") == written
    for link, found in (("toke", written), ("token1", written), ("oken1", None), ("toke_", None)):
        assert store.jobs.get_by_media_token(link, begins=True) == found


def test_versions_before_and_after_read_each_others_references(store):
    """A process of an earlier version brings paid jobs of this one home, and takes no field that it
    does not know; nor does this one of a later version.
    """
    written = job(references=[Reference(kind="image", name="cat.png", sha256="a")])
    store.add(written)
    column = sa.column("references", sa.JSON)
    with store.database.writing() as connection:
        raw = connection.execute(sa.select(column).select_from(JOBS)).scalar_one()
        earlier = json.loads(old._WHOLE["rows"]["jobs"][0]["references"])
        assert [list(one) for one in raw] == [list(one) for one in earlier]
        later = sa.update(sa.table("jobs", column)).values(references=[raw[0] | {"later": 1}])
        connection.execute(later)
    assert claimed(store).references == written.references


def test_the_same_live_request_is_joined(store):
    first = store.add(job(1))
    assert store.add(job(2, cache_key="key1")) == first
    assert store.add(job(3, cache_key="key1", owner="somebody else")).id == "job3"
    assert store.add(job(4, cache_key="key1", account="other")).id == "job4"
    held = store.queue.claim(NOW, lease=1, accounts=ACCOUNTS)[0]
    store.queue.advance(held, JobState.CANCELLED, NOW)
    assert store.add(job(5, cache_key="key1")).id == "job5"


def test_a_claim_is_nobody_elses_until_its_lease_ends(store):
    store.add(job())
    assert store.queue.claim(NOW - 1, lease=120, accounts=ACCOUNTS) == []
    assert store.queue.claim(NOW, lease=120, accounts=["other"]) == []
    first = claimed(store)
    assert store.queue.claim(NOW + 119, lease=120, accounts=ACCOUNTS) == []
    second = claimed(store, NOW + 120)
    assert store.queue.keep(first, NOW, due_at=NOW + 500) is None
    assert store.queue.advance(first, JobState.UPLOADING, NOW) is None
    assert store.queue.advance(second, JobState.UPLOADING, NOW).state is JobState.UPLOADING


def test_a_claim_holds_the_rows_of_the_accounts_that_have_something_due(store):
    accounts = ["c", "a", "b"]
    for number, account in enumerate(("b", "a", "a"), 1):
        store.add(job(number, account=account))
    store.add(job(4, account="c", due_at=NOW + 1))
    said = []
    sa.event.listen(
        store.engine,
        "before_cursor_execute",
        lambda _c, _u, statement, values, *_: said.append((statement, values)),
    )
    assert {one.id for one in store.queue.claim(NOW, lease=60, accounts=accounts)} == {
        "job1",
        "job2",
        "job3",
    }
    (names,) = [
        values for statement, values in said if "accounts" in statement.partition("FROM")[2]
    ]
    assert sorted(names.values() if isinstance(names, dict) else names) == ["a", "b"]
    order = [statement.split()[0] for statement, _ in said if not statement.startswith("BEGIN")]
    assert order == ["SELECT", "INSERT", "SELECT", "UPDATE"]
    said.clear()
    assert store.queue.claim(NOW, lease=60, accounts=accounts) == []
    assert len([one for one in said if not one[0].startswith("BEGIN")]) == 1


def test_only_the_ways_of_the_table(store):
    for state, ways in TRANSITIONS.items():
        for other in JobState:
            if other in ways:
                continue
            with pytest.raises(ValueError, match="no way from"):
                store.queue.advance(job(state=state), other, NOW)


def test_an_end_is_never_due(store):
    store.add(job())
    ended = store.queue.advance(
        claimed(store), JobState.FAILED, NOW + 5, said=Message.of("cancelled"), spent=Spent.NO
    )
    assert (ended.due_at, ended.ended_at, ended.live) == (None, NOW + 5, False)
    assert ended.said == Message.of("cancelled")
    assert store.queue.claim(NOW * 10, lease=1, accounts=ACCOUNTS) == []
    assert store.queue.find_next_due(ACCOUNTS) is None


def submitting(store, number) -> Job | None:
    store.add(job(number, state=JobState.UPLOADING))
    held = next(
        one
        for one in store.queue.claim(NOW, lease=120, accounts=ACCOUNTS)
        if one.id == f"job{number}"
    )
    return store.queue.advance(held, JobState.SUBMITTING, NOW)


def test_one_submitting_per_account_and_model(store):
    first = submitting(store, 1)
    assert submitting(store, 2) is None
    assert store.jobs.get("job2", "somebody").state is JobState.UPLOADING
    store.queue.adopt(first, "t", "r", NOW, NOW)
    held = store.queue.claim(NOW + 121, lease=120, accounts=ACCOUNTS)
    second = next(one for one in held if one.id == "job2")
    assert store.queue.advance(second, JobState.SUBMITTING, NOW).state is JobState.SUBMITTING


def test_the_task_id_is_written_whoever_holds_the_lease(store):
    sent = submitting(store, 1)
    taken_over = claimed(store, NOW + 500)
    store.queue.advance(taken_over, JobState.UNCERTAIN, NOW + 500, spent=Spent.MAYBE)
    adopted = store.queue.adopt(sent, "task", "request", NOW + 501, NOW + 502)
    assert (adopted.state, adopted.task_id, adopted.request_id, adopted.spent) == (
        JobState.PENDING,
        "task",
        "request",
        Spent.NO,
    )
    assert store.queue.adopt(sent, "another", "request", NOW, NOW) is None
    assert store.jobs.get("job1", "somebody").task_id == "task"


def test_a_cancel_is_noted_and_takes_the_lease_but_not_from_who_waits_for_the_answer(store):
    store.add(job(1))
    held = claimed(store)
    noted = store.queue.request_cancel(held, NOW)
    assert (noted.cancel_wanted, noted.due_at) == (True, NOW)
    again = claimed(store, NOW + 1)
    assert store.queue.request_cancel(again, NOW + 1) == again == store.jobs.get("job1", "somebody")
    assert store.queue.start(held, NOW, at_once=5) is None
    assert store.queue.start(again, NOW, at_once=5).state is JobState.UPLOADING
    sent = submitting(store, 2)
    assert store.queue.request_cancel(sent, NOW).due_at == sent.due_at
    assert store.queue.adopt(sent, "t", "r", NOW, NOW).cancel_wanted


def test_the_line_is_first_come_first_served(store):
    for number in (3, 1, 2):
        store.add(job(number))
    jobs = {one.id: one for one in store.queue.claim(NOW, lease=120, accounts=ACCOUNTS)}
    assert line(store) == ["job1", "job2", "job3"]
    assert store.queue.start(jobs["job2"], NOW, at_once=2) is None
    assert store.queue.start(jobs["job1"], NOW, at_once=2).state is JobState.UPLOADING
    assert store.queue.start(jobs["job2"], NOW, at_once=2).state is JobState.UPLOADING
    assert store.queue.start(jobs["job3"], NOW, at_once=2) is None
    assert line(store) == ["job3"]


def line(store, now=NOW):
    (waiting,) = store.queue.list_waiting([("account", job().model)], now).values()
    return waiting


def test_one_address_does_not_queue_before_all(store):
    """Ten names with five jobs each, and then somebody else: they are next but one, and after that
    every other.
    """
    crowd = [
        replace(job(name * 5 + number), owner=f"name{name}", address="crowded")
        for name in range(10)
        for number in range(5)
    ]
    for one in crowd:
        store.add(one)
    theirs = [replace(job(number), address="elsewhere", due_at=NOW) for number in (900, 901)]
    for one in theirs:
        store.add(one)
    assert [line(store).index(one.id) + 1 for one in theirs] == [2, 4]
    begun, held = (
        [],
        {one.id: one for one in store.queue.claim(NOW, lease=120, accounts=ACCOUNTS, limit=500)},
    )
    while len(begun) < 6:
        now = NOW + len(begun)
        first = line(store, now)[0]
        assert [
            one
            for one in held.values()
            if one.id != first and store.queue.start(one, now, at_once=1)
        ] == []
        ended = store.queue.advance(
            store.queue.start(held.pop(first), now, at_once=1), JobState.CANCELLED, now
        )
        begun.append(ended.owner)
    assert begun == ["name0", "somebody", "name1", "somebody", "name2", "name3"]


def test_an_address_has_room_for_five_visitors_and_this_machine_for_all(store):
    for name in range(5):
        store.queue.add(
            [
                replace(job(10 * name + number), owner=f"name{name}", address="crowded")
                for number in range(2)
            ],
            at_once=2,
        )
    with pytest.raises(TooManyJobsOfAddress) as refused:
        store.add(replace(job(90), owner="another", address="crowded"), at_once=2)
    assert refused.value.limit == 10
    assert "job90" not in store.jobs.list_ids()
    for name, address in (("another", "elsewhere"), ("of this machine", None)):
        store.add(replace(job(91 if address else 92), owner=name, address=address), at_once=2)
    assert len(store.jobs.list_ids()) == 12


def test_what_nobody_works_on_holds_nobody_up(store):
    """Stopped before it was sent, it waits until somebody asks for it."""
    for number in (1, 2, 3):
        store.add(job(number))
    jobs = {one.id: one for one in store.queue.claim(NOW, lease=120, accounts=ACCOUNTS)}
    assert store.queue.start(jobs["job3"], NOW, at_once=1) is None
    store.queue.release(["job1"])
    assert store.queue.start(jobs["job3"], NOW, at_once=1) is None  # there is one more before it
    assert store.queue.start(jobs["job2"], NOW, at_once=1).state is JobState.UPLOADING
    assert store.queue.start(jobs["job3"], NOW, at_once=1) is None
    assert (
        store.queue.start(jobs["job3"], NOW + 200, at_once=1).state is JobState.UPLOADING
    )  # the second one's process is dead


def test_of_what_is_not_sent_only_what_was_asked_for_is_taken(store):
    submitting(store, 3)
    for number in (1, 2):
        store.add(job(number))
    assert store.queue.find_next_due(ACCOUNTS, []) == NOW + 120
    assert store.queue.claim(NOW, lease=1, accounts=ACCOUNTS, unsent=[]) == []
    assert [
        one.id for one in store.queue.claim(NOW, lease=1, accounts=ACCOUNTS, unsent=["job2"])
    ] == ["job2"]
    assert {
        one.id for one in store.queue.claim(NOW + 200, lease=1, accounts=ACCOUNTS, unsent=[])
    } == {"job3"}


def test_uploads_are_remembered_while_they_are_good_and_made_by_one_at_a_time(store):
    which = ("account", "model", "key")
    limits = {"lifetime": 100, "lease": 10}
    assert store.accounts.claim_upload(*which, NOW, **limits) is None
    assert store.accounts.claim_upload(*which, NOW + 9, **limits) == ""
    assert store.accounts.claim_upload(*which, NOW + 10, **limits) is None
    store.accounts.note_upload(*which, "")
    assert store.accounts.claim_upload(*which, NOW + 11, **limits) is None
    store.accounts.note_upload(*which, "oss://1")
    assert store.accounts.claim_upload(*which, NOW + 110, **limits) == "oss://1"
    assert store.accounts.claim_upload("other", "model", "key", NOW, **limits) is None
    assert store.accounts.claim_upload("account", "other model", "key", NOW, **limits) is None
    assert store.accounts.claim_upload(*which, NOW + 111, **limits) is None


def test_turns_are_apart(store):
    waits = [store.accounts.reserve_slot("account", "query_at", NOW, 0.5) for _ in range(3)]
    assert waits == [0, 0.5, 1]
    assert store.accounts.reserve_slot("account", "submit_at", NOW, 0.5) == 0
    assert store.accounts.reserve_slot("other", "query_at", NOW, 0.5) == 0
    assert store.accounts.reserve_slot("account", "query_at", NOW + 10, 0.5) == 0


def test_the_newest_finished_job_of_a_kind(store):
    for number in (1, 2):
        store.add(
            job(
                number,
                state=JobState.SUCCEEDED,
                cache_key="key",
                created_at=NOW + number,
                ended_at=NOW + number,
                due_at=None,
            )
        )
    store.add(
        job(
            3,
            state=JobState.FAILED,
            cache_key="key",
            created_at=NOW + 3,
            ended_at=NOW + 3,
            due_at=None,
        )
    )
    assert store.jobs.find_same("somebody", "account", "key").id == "job2"
    assert store.jobs.find_same("somebody else", "account", "key") is None
    assert store.jobs.find_same("somebody", "other", "key") is None


def test_what_was_tried_again_with_its_own_seed_is_of_the_same_kind(store):
    """Whatever its key says: that of an uncertain job's second try differs, and so did all of
    earlier versions.
    """

    def tried(number: int, of: int, state: JobState, *, seed: int = 1) -> None:
        over = state not in LIVE
        times = {
            "created_at": NOW + number,
            "ended_at": NOW + number if over else None,
            "due_at": None if over else NOW,
        }
        store.add(
            job(
                number,
                state=state,
                cache_key=f"key {number}",
                retried_from=f"job{of}" if of else "",
                seed=seed,
                **times,
            )
        )

    def kind() -> str | None:
        found = store.jobs.find_same("somebody", "account", "key 1")
        return found and found.id

    tried(1, 0, JobState.EXPIRED)
    tried(2, 1, JobState.FAILED)
    tried(3, 1, JobState.SUCCEEDED, seed=2)  # a new take
    assert kind() is None
    tried(4, 2, JobState.PENDING)
    assert kind() == "job4"
    tried(5, 2, JobState.SUCCEEDED)
    tried(6, 5, JobState.FAILED)
    assert kind() == "job5"


def test_what_programs_without_a_token_asked_for_is_found_by_words_address_and_time(store):
    def asked(number: int, **changes) -> Job:
        return store.add(
            job(
                number,
                **{
                    "cache_key": "key",
                    "owner": f"caller.{number}",
                    "address": "there",
                    "created_at": NOW,
                }
                | changes,
            )
        )

    def found(since: float = NOW, **changes) -> str | None:
        one = store.jobs.find_joinable(
            job(9, **{"cache_key": "key", "address": "there"} | changes), since
        )
        return one and one.id

    asked(1, owner="somebody")
    asked(2, address="elsewhere")
    asked(3, cache_key="other")
    asked(4, account="other")
    asked(5, state=JobState.FAILED, due_at=None, ended_at=NOW)
    assert found() is None
    asked(6)
    assert found() == "job6"
    assert found(since=NOW + 1) is None
    asked(7, address=None)
    assert (found(), found(address=None)) == ("job6", "job7")
    asked(8, state=JobState.SUCCEEDED, due_at=None, ended_at=NOW, created_at=NOW + 1)
    assert found() == "job8"


def test_the_job_to_look_at_first(store):
    assert store.jobs.find_newest("somebody", ["wan2.6-i2v-flash"]) is None
    for number, state in ((1, JobState.PENDING), (2, JobState.RUNNING), (3, JobState.FAILED)):
        store.add(job(number, state=state))
    assert store.jobs.find_newest("somebody", ["wan2.6-i2v-flash"]).id == "job2"
    assert store.jobs.find_newest("somebody", ["wan2.6-r2v"]) is None
    assert store.jobs.find_newest("somebody else", ["wan2.6-i2v-flash"]) is None


def test_past_runs(store):
    for number, seconds in enumerate((4, 6, 8)):
        spans = {
            "running_at": NOW,
            "fetching_at": NOW + seconds,
            "ended_at": NOW + seconds,
            "due_at": None,
        }
        store.add(job(number, state=JobState.SUCCEEDED, **spans))
    store.add(
        replace(
            job(
                9, state=JobState.SUCCEEDED, running_at=NOW, fetching_at=NOW + 99, ended_at=NOW + 99
            ),
            request={"duration": 10, "size": "1280*720"},
        )
    )
    large = {"duration": 5, "size": "1080P"}
    told = {"running_at": NOW, "fetching_at": NOW + 99, "ended_at": NOW + 99, "run_seconds": 88.5}
    store.add(job(10, state=JobState.SUCCEEDED, request=large, **told))
    kind = ("simulator", "wan2.6-i2v-flash", 5)
    assert sorted(store.durations.list_run_seconds(*kind, "720P")) == [4, 6, 8]
    assert store.durations.list_run_seconds(*kind, "1080P") == [88.5]


def test_runs_of_a_rare_kind_are_looked_for_among_the_last_alone(store, monkeypatch):
    monkeypatch.setattr("wan.database.durations._RECENT", 3)
    ends = {"running_at": NOW, "due_at": None, "state": JobState.SUCCEEDED}
    rare = {"duration": 10, "size": "1280*720"}
    seconds = partial(store.durations.list_run_seconds, "simulator", "wan2.6-i2v-flash", 10)
    for number, request in enumerate((rare, {}, rare, {}, {}), 1):
        at = {"fetching_at": NOW + number, "ended_at": NOW + number}
        store.add(job(number, **ends, **at, **({"request": request} if request else {})))
    assert seconds("720P") == [3]
    store.add(job(6, **ends, fetching_at=NOW + 6, ended_at=NOW + 6))
    assert seconds("720P") == []


def test_how_long_takes_took_together(store):
    def made(number, brief, *, begun, took, waited=0.0, **more):
        ended, started = NOW + begun + waited + took, NOW + begun + waited
        times = {"created_at": NOW + begun, "started_at": started, "ended_at": ended}
        store.add(
            job(number, state=JobState.SUCCEEDED, brief_id=brief, due_at=None, **times | more)
        )

    day = 24 * 3600.0
    made(1, "two", begun=0, took=20)
    made(2, "two", begun=0.001, took=29.999)
    made(3, "two", begun=500, took=7, retried_from="job1")
    made(4, "one", begun=600, took=9)
    made(5, "later", begun=700, took=8)
    made(6, "later", begun=700 + 2 * day, took=25)
    made(7, "later", begun=700.001 + 2 * day, took=28)
    made(8, "key", begun=800, waited=day, took=10)
    seconds = partial(store.durations.list_brief_seconds, "simulator", "wan2.6-i2v-flash")
    assert sorted(seconds(5, 2)) == pytest.approx([28.001, 30])
    assert sorted(seconds(5, 1)) == pytest.approx([8, 9, 10])
    assert (seconds(5, 3), seconds(6, 1)) == ([], [])


def test_the_ways_between_states_are_those_of_the_design():
    """They stand here once more, since one too many may pay twice: back before the request leads
    only what provably never left.
    """
    ways = {
        "QUEUED": "UPLOADING CANCELLED FAILED",
        "UPLOADING": "SUBMITTING QUEUED CANCELLED FAILED",
        "SUBMITTING": "PENDING QUEUED FAILED UNCERTAIN",
        "PENDING": "RUNNING FETCHING FAILED CANCELLED EXPIRED",
        "RUNNING": "FETCHING FAILED CANCELLED EXPIRED",
        "FETCHING": "SUCCEEDED FAILED EXPIRED",
        "UNCERTAIN": "PENDING FAILED EXPIRED",
        **dict.fromkeys(("SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED"), ""),
    }
    assert {
        JobState(state): {JobState(way) for way in there.split()} for state, there in ways.items()
    } == TRANSITIONS


def test_live_states_are_those_with_a_way_out():
    assert {state for state in JobState if state not in LIVE} == {
        JobState.SUCCEEDED,
        JobState.FAILED,
        JobState.CANCELLED,
        JobState.EXPIRED,
    }


def test_what_nobody_has_looked_at_since_its_task_is_gone_is_found(store):
    hour = 3600.0
    store.add(job(1, state=JobState.PENDING, submitted_at=NOW, submitting_at=NOW, due_at=NOW))
    store.add(
        job(2, state=JobState.PENDING, submitted_at=NOW, submitting_at=NOW, due_at=NOW + 30 * hour)
    )
    store.add(job(3, due_at=NOW))
    assert [one.id for one in store.queue.list_abandoned(NOW + 2 * hour, NOW + 29 * hour)] == [
        "job1"
    ]
    assert store.queue.list_abandoned(NOW - 1, NOW + 29 * hour) == []


def test_two_jobs_in_question_with_one_prompt_are_twins(store):
    prompts = {1: "a cat", 2: "a cat ", 3: "a dog"}
    for number, prompt in prompts.items():
        store.add(job(number, state=JobState.UNCERTAIN, payload={"input": {"prompt": prompt}}))
    assert [
        store.queue.has_lookalike(store.jobs.get(f"job{number}", "somebody")) for number in prompts
    ] == [
        True,
        True,
        False,
    ]


def test_takes_of_one_brief_are_no_twins(store):
    for number, owner in ((1, "somebody"), (2, "somebody"), (3, "somebody else")):
        store.add(
            job(
                number,
                owner=owner,
                brief_id="brief",
                state=JobState.UNCERTAIN,
                payload={"input": {"prompt": "a cat"}},
            )
        )
    first = store.jobs.get("job1", "somebody")
    assert store.queue.has_lookalike(first), "of somebody else"
    store.queue.adopt(store.jobs.get("job3", "somebody else"), "task", "request", NOW, NOW)
    assert not store.queue.has_lookalike(first)


def test_takes_are_written_together_or_not_at_all(store):
    kept = store.add(job(1))
    added = store.queue.add([job(2), job(3, cache_key="key1"), job(4)])
    assert [one.id for one in added] == ["job2", "job1", "job4"]
    assert added[1] == kept
    with pytest.raises(sa.exc.IntegrityError):
        store.queue.add([job(5), job(6, media_token="token1")])
    assert store.jobs.get("job5", "somebody") is None
    assert [one.id for one in store.jobs.list_brief("somebody", "brief2")] == ["job2"]


def test_takes_keep_their_numbers_and_a_new_one_gets_the_next(store):
    def take(number, wanted, **changes):
        return store.add(job(number, take=wanted, **{"brief_id": "brief"} | changes)).take

    assert [take(1, 1), take(2, 2), take(3, 3), take(4, 0)] == [1, 2, 3, 4]
    assert take(5, 1, owner="somebody else") == 5, "whoever makes it"
    held = {one.id: one for one in store.queue.claim(NOW, lease=1, accounts=ACCOUNTS)}
    assert store.queue.advance(held["job2"], JobState.FAILED, NOW).take == 2
    assert take(6, 2) == 2, "what is tried again keeps the number"
    assert take(7, 2) == 6, "nobody else is called so"
    gone = store.queue.advance(held["job1"], JobState.CANCELLED, NOW)
    assert store.jobs.delete(gone, NOW)
    assert store.jobs.get("job3", "somebody").take == 3
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(take, range(10, 18), [0] * 8))
    assert sorted(together) == list(range(7, 15))


def test_takes_of_an_earlier_version_are_numbered_and_a_further_try_keeps_its_number(new_database):
    database, lost, made = new_database(), JobState.FAILED, JobState.SUCCEEDED
    rows = [  # state, seed, what it was made from, and its number
        (lost, 11, "", 2),
        (made, 12, "", 3),
        (lost, 11, "job1", 2),
        (made, 11, "job3", 2),
        (made, 11, "job3", 4),
        (made, 13, "job4", 5),
        (made, 13, "job6", 6),
    ]
    with contextlib.closing(Store(database)) as store:
        for number, (state, seed, origin, _) in enumerate(rows, 1):
            one = {"state": state, "seed": seed, "retried_from": origin, "brief_id": "brief"}
            store.add(job(number, owner=f"somebody{number % 2}", **one))
        store.add(job(8, brief_id="another", retried_from="job1", seed=11))
        with store.database.writing() as connection:
            connection.execute(JOBS.update().values(take=None))
        store.add(job(9, brief_id="brief", state=made))
    with contextlib.closing(Store(database)) as store, store.database.reading() as connection:
        numbers = dict(connection.execute(sa.select(JOBS.c.id, JOBS.c.take)).all())
    assert [numbers[f"job{number}"] for number in range(1, 10)] == [
        *(number for *_, number in rows),
        1,
        1,
    ]


@pytest.mark.parametrize("shared", [True, False])
def test_what_somebody_tries_again_in_a_shared_library_is_joined_by_the_others(
    new_database, shared
):
    with contextlib.closing(Store(Database(new_database(), shared=shared))) as store:
        once_more = {"brief_id": "brief", "cache_key": "key", "seed": 11, "retried_from": "job0"}

        def again(number, **changes):
            values = {"owner": f"person{number}"} | once_more | changes
            return store.add(job(number, **values)).id

        with ThreadPoolExecutor(4) as threads:
            together = set(threads.map(again, range(1, 5)))
        assert len(together) == (1 if shared else 4)
        assert again(5, seed=12) == "job5", "another take"
        assert again(6, account="other") == "job6", "somebody else pays"
        assert again(7, cache_key="key again") == "job7", "what a lost answer is asked for beside"
        assert again(8, retried_from="") == "job8", "a request of their own"
        assert again(9, owner=f"{ids.CALLERS}program") == "job9"
        for one in store.queue.claim(NOW, lease=1, accounts=ACCOUNTS):
            store.queue.advance(one, JobState.CANCELLED, NOW)
        assert again(10) == "job10", "that has ended"


def test_jobs_are_named_starred_and_moved_by_their_owner_alone(store):
    for number in range(1, 5):
        store.add(job(number, **{"owner": "somebody else"} if number == 4 else {}))
    store.jobs.label(["job1", "job2", "job4"], "somebody", {"project": "Spring"})
    store.jobs.label(["job3"], "somebody", {"project": "Autumn", "name": "Wide", "starred": True})
    page = list_page(store)
    assert (page.projects, page.starred) == (["Autumn", "Spring"], 1)
    named = store.jobs.get("job3", "somebody")
    assert (named.name, named.starred, named.project) == ("Wide", True, "Autumn")
    assert named.version > job(3).version, "whoever looks at it sees it"
    assert store.jobs.get("job4", "somebody else") == job(4, owner="somebody else")
    filters = [{"project": "Spring"}, {"project": ""}, {"starred": True}, {}]
    assert [[one.id for one in list_page(store, **one).jobs] for one in filters] == [
        ["job2", "job1"],
        [],
        ["job3"],
        ["job3", "job2", "job1"],
    ]
    store.jobs.label(["job3"], "somebody", {"project": "", "starred": False})
    assert [one.id for one in list_page(store, project="").jobs] == ["job3"]
    assert (list_page(store).projects, list_page(store).starred) == (["Spring"], 0)


def prompted(store, number, prompt, **changes):
    store.add(job(number, request={"duration": 5, "prompt": prompt}, **changes))


def list_page(store, owner="somebody", *, until=None, offset=0, limit=24, **asked):
    wanted = JobFilter(**asked)
    return store.listing.list_page(owner, wanted, until=until, offset=offset, limit=limit)


def found(store, search):
    return [one.id for one in list_page(store, words=tuple(search.casefold().split())).jobs]


def test_the_library_searches_in_prompts(store):
    prompts = [
        "A Cat in the RAIN",
        "100% cotton",
        "100 percent",
        "file_name",
        "fileXname",
        "一只猫在雨中",
        "Das Straßenfest ÜBER Köln",
        "a\\b",
    ]
    for number, prompt in enumerate(prompts):
        prompted(store, number, prompt)
    asked = [
        "cat",
        "rain CAT",
        "100%",
        "file_name",
        "猫",
        "über",
        "STRASSENFEST",
        "\\",
        "dog",
        "cat dog",
        "'; DROP TABLE jobs; --",
        "%",
        "/",
    ]
    assert [found(store, one) for one in asked] == [["job0"]] * 2 + [
        [f"job{n}"] for n in (1, 3, 5, 6, 6, 7)
    ] + [[], [], [], ["job1"], []]


def test_the_library_finds_prompts_of_an_earlier_version(store):
    prompted(store, 1, "A Cat, eine Straße, 猫")
    with store.database.writing() as connection:
        connection.execute(sa.text("UPDATE jobs SET prompt_folded = NULL"))
    assert [found(store, one) for one in ("cat", "猫", "dog")] == [["job1"], ["job1"], []]


def test_the_library_filters_and_counts(store):
    states = [
        JobState.QUEUED,
        JobState.RUNNING,
        JobState.SUCCEEDED,
        JobState.FAILED,
        JobState.EXPIRED,
        JobState.CANCELLED,
    ]
    for number, state in enumerate(states):
        store.add(
            job(
                number,
                state=state,
                account=f"account{number}",
                model="wan2.6-r2v" if number % 2 else "wan2.6-i2v-flash",
            )
        )
    store.add(job(9, owner="somebody else"))
    by_state = {group: [one.id for one in list_page(store, state=group).jobs] for group in GROUPS}
    assert by_state == {
        "live": ["job1", "job0"],
        "done": ["job2"],
        "failed": ["job4", "job3"],
        "cancelled": ["job5"],
    }
    one = list_page(store, model="wan2.6-r2v", limit=2)
    assert ([job.id for job in one.jobs], one.total, one.has_jobs, one.live, one.ended) == (
        ["job5", "job3"],
        3,
        True,
        2,
        2,
    )
    assert [one.id for one in list_page(store, "somebody else").jobs] == ["job9"]
    assert list_page(store, "nobody") == JobPage([], 0, False, 0)


def test_pages_stay_where_they_are_while_new_jobs_come(store):
    for number in range(10):
        prompted(store, number, "a cat", state=JobState.SUCCEEDED)
    first = list_page(store, limit=4)
    until = first.jobs[0].created_at
    prompted(store, 10, "a cat", state=JobState.SUCCEEDED)
    pages = [list_page(store, limit=4, offset=offset, until=until) for offset in (0, 4, 8)]
    assert [one.id for page in pages for one in page.jobs] == [
        f"job{number}" for number in range(9, -1, -1)
    ]
    assert [page.total for page in pages] == [10] * 3
    assert list_page(store, limit=4).jobs[0].id == "job10"


def test_jobs_of_one_moment_have_an_order(store):
    for number in range(6):
        prompted(store, number, "a cat", created_at=NOW)
    pages = [
        one.id for offset in (0, 2, 4) for one in list_page(store, limit=2, offset=offset).jobs
    ]
    assert sorted(pages) == [f"job{number}" for number in range(6)]


def test_the_library_searches_in_names_and_in_comments_of_own_reviews(store):
    for number in range(3):
        prompted(store, number, "a cat")
    kept(store)
    store.reviews.add_verdict(word("ann", NOW, job_id="job1", comment="Too DARK, Ärger"))
    kept(store, token="foreign", owner="somebody else")
    foreign = word("bob", NOW, review_id="review-foreign", job_id="job2", comment="dark")
    store.reviews.add_verdict(foreign)
    store.jobs.label(["job0"], "somebody", {"name": "ÖDE Weite"})
    assert [
        found(store, asked) for asked in ("dark", "ärger CAT", "dog dark", "weite öde cat")
    ] == [
        ["job1"],
        ["job1"],
        [],
        ["job0"],
    ]
    with store.database.writing() as connection:
        connection.execute(VERDICTS.update().values(comment="Bright"))
    assert [found(store, asked) for asked in ("dark", "bright")] == [[], ["job1"]]


def test_a_shared_library_shows_all_but_what_belongs_to_a_program_alone(store):
    ours, program = {"somebody", "somebody else", ids.OPERATOR}, f"{ids.CALLERS}program"
    for number, owner in enumerate([*sorted(ours), program]):
        prompted(store, number, "a cat", owner=owner, state=JobState.SUCCEEDED, video_key="v")
    kept(store, owner="somebody else")
    whose = {f"job{number}": owner for number, owner in enumerate([*sorted(ours), program])}

    def seen(owner):
        shown = {one.id for one in list_page(store, owner).jobs}
        assert shown == {one for one in whose if store.jobs.get(one, owner)}
        assert list_page(store, owner).total == len(shown)
        return {whose[one] for one in shown}

    def reviewed():
        return [bool(take.job) for take in store.reviews.get_by_link("link").takes], [
            bool(store.reviews.get_job("link", number, NOW)) for number in (1, 2)
        ]

    alone = {owner: seen(owner) for owner in [*ours, program]}
    assert alone == {owner: {owner} for owner in [*ours, program]}
    assert reviewed() == ([True, False], [True, False])
    store.database.shared = True
    assert {owner: seen(owner) for owner in ours} == dict.fromkeys(ours, ours)
    assert seen(program) == {program}
    assert reviewed() == ([True, True], [True, True])


def test_each_job_has_its_place_among_those_that_match(store):
    for number in range(7):
        prompted(store, number, "a dog" if number == 3 else "a cat", created_at=NOW + number // 2)
    store.add(job(9, owner="somebody else", request={"prompt": "a cat"}))
    wanted = JobFilter(words=("cat",))
    cats = [one.id for one in list_page(store, words=wanted.words).jobs]
    assert len(cats) == 6
    for number, job_id in enumerate(cats):
        around = ["", *cats, ""][number : number + 3]
        one = store.jobs.get(job_id, "somebody")
        assert store.listing.find_place("somebody", wanted, one) == JobPlace(
            around[0], around[2], number + 1, 6
        )
    dog = store.jobs.get("job3", "somebody")
    place = store.listing.find_place("somebody", wanted, dog)
    assert (place.place, place.total) == (0, 6)
    assert {place.previous, place.next} <= set(cats)


def test_only_what_has_ended_can_be_chosen_at_once(store):
    prompted(store, 0, "a cat", state=JobState.SUCCEEDED, video_key="v")
    prompted(store, 1, "a cat", state=JobState.FAILED)
    prompted(store, 2, "a cat")
    prompted(store, 3, "a dog", state=JobState.FAILED)
    prompted(store, 4, "a cat", state=JobState.FAILED, owner="somebody else")
    wanted = JobFilter(words=("cat",))
    assert store.listing.list_ended("somebody", wanted, 9) == [("job1", False), ("job0", True)]
    assert store.listing.list_ended("somebody", wanted, 1) == [("job1", False)]


def test_the_library_filters_by_what_was_said_last(store):
    for number in range(4):
        prompted(store, number, "a cat")
    kept(store)
    for reviewer, job_id, verdict, at in (
        *(("ann", "job0", "no", 1), ("ann", "job0", "yes", 2), ("bob", "job0", "maybe", 1)),
        *(("ann", "job1", "no", 1), ("carl", "job2", "yes", 1)),
    ):
        store.reviews.add_verdict(
            word(
                reviewer,
                NOW + at,
                id=f"{reviewer}{job_id}{at}",
                job_id=job_id,
                verdict=verdict,
                comment="kept for good",
            )
        )
    kept(store, token="foreign", owner="somebody else")
    store.reviews.add_verdict(
        word("dora", NOW, review_id="review-foreign", job_id="job3", verdict="yes")
    )
    by_verdict = {
        verdict: [one.id for one in list_page(store, verdict=verdict).jobs]
        for verdict in ("yes", "maybe", "no", "none")
    }
    assert by_verdict == {
        "yes": ["job2", "job0"],
        "maybe": ["job0"],
        "no": ["job1"],
        "none": ["job3"],
    }


def test_the_task_of_a_deleted_job_is_nobody_elses(store):
    store.add(job(1, state=JobState.SUCCEEDED, task_id="task1"))
    store.add(job(2))
    assert not store.jobs.delete(store.jobs.get("job2", "somebody"), NOW)
    assert not store.jobs.delete(replace(job(1), owner="somebody else"), NOW)
    assert store.queue.find_unknown_tasks("account", ["task1", "task2"]) == {"task2"}
    assert store.jobs.delete(store.jobs.get("job1", "somebody"), NOW)
    assert not store.jobs.delete(job(1), NOW)
    assert store.jobs.get("job1", "somebody") is None
    assert store.queue.find_unknown_tasks("account", ["task1", "task2"]) == {"task2"}
    store.jobs.forget_deleted(NOW + 1)
    assert store.queue.find_unknown_tasks("account", ["task1", "task2"]) == {"task1", "task2"}


def kept(store, token: str = "link", *, owner: str = "somebody", **changes) -> Review:
    takes = (Take(1, "job2", None, label="2"), Take(2, "job1", None))
    review = Review(f"review-{token}", owner, "Title", "", token, NOW, None, None, takes)
    store.reviews.add(replace(review, **changes), token)
    return review


def word(reviewer="a", at=NOW, **changes) -> Verdict:
    values = {
        "id": f"{reviewer}{at}",
        "review_id": "review-link",
        "job_id": "job1",
        "verdict": "yes",
        "comment": "",
        "at_seconds": None,
    }
    return Verdict(**values | {"name": "", "created_at": at, "reviewer": reviewer} | changes)


def test_a_review_comes_back_in_its_order_with_what_was_said(store):
    store.add(job(1, video_key="a"))
    store.add(job(2, video_key="b"))
    store.add(job(3, video_key="c", owner="somebody else"))
    kept(store)
    kept(store, token="other", created_at=NOW + 1)
    words = [word("b", NOW + 2, comment="图", at_seconds=1.5, name="Mei"), word("a", NOW + 1)]
    for one in words:
        store.reviews.add_verdict(one)
    found = store.reviews.get_by_link("link")
    assert [(take.number, take.label, take.job.id) for take in found.takes] == [
        (1, "2", "job2"),
        (2, "2", "job1"),
    ]
    assert found.takes[1].verdicts == tuple(reversed(words))
    assert [one.id for one in store.reviews.list_reviews("somebody")] == [
        "review-other",
        "review-link",
    ]
    assert [
        (one.people, len(one.takes[1].verdicts)) for one in store.reviews.list_reviews("somebody")
    ] == [
        (0, 0),
        (2, 0),
    ]
    assert store.reviews.list_reviews("somebody", whole="review-link")[1] == found
    assert store.reviews.get("review-link", "somebody else") is None
    assert store.reviews.get_job("link", 2, NOW).id == "job1"
    assert store.reviews.get_job("link", 3, NOW) is None


def test_a_take_that_is_gone_leaves_its_place_and_its_verdicts(store):
    store.add(job(1, video_key="a"))
    kept(store)
    store.reviews.add_verdict(word(job_id="job2"))
    (gone, there) = store.reviews.get_by_link("link").takes
    assert (gone.job, len(gone.verdicts), there.job.id) == (None, 1, "job1")
    assert store.reviews.get_job("link", 1, NOW) is None


def test_a_take_of_somebody_else_is_shown_by_no_review(store):
    store.add(job(1, video_key="a", owner="somebody else"))
    kept(store)
    assert store.reviews.get_by_link("link").takes[1].job is None
    assert store.reviews.get_job("link", 2, NOW) is None


def test_a_review_is_of_another_version_whenever_it_shows_something_else(store):
    for number in (1, 2):
        store.add(job(number, state=JobState.SUCCEEDED, video_key="v"))
    kept(store, expires_at=NOW + 100)
    kept(store, token="other")
    versions = []

    def is_another() -> bool:
        versions.append(store.reviews.get_version("link", NOW + 50))
        return versions.count(store.reviews.get_version("link", NOW + 99)) == 1

    assert is_another()
    for one in (
        word("a", NOW + 5),
        word("b", NOW + 9, comment="图"),
        word(
            "a", NOW + 6, verdict="no"
        ),  # in place of the first, and not the newest: written by a process whose clock is behind
        word("a", NOW + 7, comment="图"),
    ):
        store.reviews.add_verdict(one)
        assert is_another(), one
    store.reviews.add_verdict(word("c", review_id="review-other"))
    assert not is_another()
    store.jobs.label(["job1"], "somebody", {"name": "Wide"})
    assert is_another()
    store.jobs.delete(store.jobs.get("job2", "somebody"), NOW)
    assert is_another()
    assert store.reviews.get_version("link", NOW + 100) is None
    assert store.reviews.get_version("nothing", NOW) is None
    store.reviews.revoke("review-link", "somebody", NOW)
    assert store.reviews.get_version("link", NOW) is None


def test_a_database_of_an_earlier_version_gets_its_new_indexes(new_database):
    url = new_database()
    Store(url).close()
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP INDEX verdicts_of_review")
    Store(url).close()
    assert "verdicts_of_review" in {
        index["name"] for index in sa.inspect(engine).get_indexes("verdicts")
    }
    engine.dispose()


def test_nobody_fills_a_review_alone(store, monkeypatch):
    monkeypatch.setattr("wan.database.verdicts.COMMENTS_LIMIT", 2)
    kept(store)
    for at, job_id in enumerate(("job1", "job2")):
        store.reviews.add_verdict(word(at=NOW + at, job_id=job_id, comment="words"))
    with pytest.raises(TooManyComments) as refused:
        store.reviews.add_verdict(word(at=NOW + 3, comment="more words"))
    assert refused.value.limit == 2
    store.reviews.add_verdict(word(at=NOW + 4, verdict="no"))
    with pytest.raises(TooManyComments):
        store.reviews.add_verdict(word(at=NOW + 5, comment="more words"))
    assert [
        (one.verdict, one.comment) for one in store.reviews.get_by_link("link").takes[1].verdicts
    ] == [("yes", "words"), ("no", "")]
    store.reviews.add_verdict(word(at=NOW + 6, verdict="maybe"))
    store.reviews.add_verdict(word("another", comment="words"))
    assert (
        store.reviews.get_by_link("link").takes[1].tally.maybe,
        store.reviews.get_by_link("link").people,
    ) == (1, 2)


def fill(store, network: str, most: int = 100) -> int:
    """How many made-up people of one network are heard."""
    for number in range(most):
        try:
            store.reviews.add_verdict(
                word(f"{network}{number}", comment="fills it" if number % 2 else ""), network
            )
        except (NetworkFull, ReviewFull):
            return number
    return most


def test_one_network_leaves_room_for_the_next(store, monkeypatch):
    monkeypatch.setattr("wan.database.verdicts.VERDICTS_LIMIT", 64)
    kept(store)
    assert [fill(store, f"192.0.2.{number}") for number in range(4)] == [32, 16, 8, 4]
    with pytest.raises(NetworkFull):
        store.reviews.add_verdict(word("fresh"), "192.0.2.0")
    store.reviews.add_verdict(word("192.0.2.00", NOW + 5, verdict="no"), "192.0.2.0")
    store.reviews.add_verdict(word("honest", comment="still heard"), "198.51.100.7")
    assert fill(store, "203.0.113.9") > 0


def test_what_is_kept_of_a_network_does_not_name_it(store):
    kept(store)
    kept(store, token="other")
    store.reviews.add_verdict(word(), "192.0.2.7")
    store.reviews.add_verdict(word("b"), "192.0.2.7")
    store.reviews.add_verdict(word("c", review_id="review-other"), "192.0.2.7")
    store.reviews.add_verdict(word("d"))
    with store.database.reading() as connection:
        places = dict(connection.execute(sa.text("SELECT reviewer, place FROM verdicts")).all())
    assert places["a"] == places["b"] != places["c"]
    assert places["d"] is None
    assert "192" not in f"{places}"


def test_a_class_behind_one_address_is_heard(store):
    kept(store)
    for person in range(30):
        for number in range(12):
            store.reviews.add_verdict(
                word(f"p{person}", NOW + number, job_id=f"job{number}"), "192.0.2.7"
            )
        store.reviews.add_verdict(
            word(f"p{person}", NOW + 20, id=f"c{person}", comment="and a word"), "192.0.2.7"
        )
    assert store.reviews.get_by_link("link").people == 30


def test_a_closed_review_takes_no_words_and_its_token_is_forgotten(store):
    store.add(job(1, video_key="a"))
    kept(store)
    assert not store.reviews.revoke("review-link", "somebody else", NOW)
    assert store.reviews.revoke("review-link", "somebody", NOW)
    assert store.reviews.revoke("review-link", "somebody", NOW + 5)
    assert (
        store.reviews.get_by_link("link").revoked_at,
        store.reviews.get_by_link("link").link_token,
    ) == (
        NOW,
        None,
    )
    assert store.reviews.get_job("link", 2, NOW) is None
    with pytest.raises(ReviewNotFound):
        store.reviews.add_verdict(word())
    kept(store, token="short", expires_at=NOW + 10)
    store.reviews.add_verdict(word(review_id="review-short", at=NOW + 9))
    with pytest.raises(ReviewNotFound):
        store.reviews.add_verdict(word(review_id="review-short", at=NOW + 10))


def test_a_review_is_deleted_with_its_words_by_its_owner_only(store):
    store.add(job(1, video_key="a"))
    kept(store)
    store.reviews.add_verdict(word())
    assert not store.reviews.delete("review-link", "somebody else")
    assert store.reviews.delete("review-link", "somebody")
    assert store.reviews.get_by_link("link") is None
    assert not store.reviews.delete("review-link", "somebody")
    assert store.jobs.get("job1", "somebody") is not None


def test_the_token_of_a_link_that_has_ended_is_kept_no_longer(store):
    """It need not be shown again, and the link is told by its hash."""
    for token, expires_at in (("ended", NOW + 10), ("open", NOW + 99), ("endless", None)):
        kept(store, token=token, id=f"of {token}", expires_at=expires_at)
    store.reviews.forget_links(NOW + 10)
    assert [
        store.reviews.get(f"of {token}", "somebody").link_token
        for token in ("ended", "open", "endless")
    ] == [None, "open", "endless"]
    assert store.reviews.get_by_link("ended").id == "of ended"
