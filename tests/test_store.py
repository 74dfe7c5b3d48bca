"""The rules that the database holds: fenced writes, the join, one SUBMITTING at a time, the task id that is never lost."""

from dataclasses import replace
from decimal import Decimal

import pytest
import sqlalchemy as sa

from wan.errors import ReviewNotFound
from wan.jobs import LIVE, TRANSITIONS, Job, JobState, Reference, Spent
from wan.reviews import Review, Take, Verdict
from wan.store import Store
from wan.words import sentence

NOW = 1_000.0
ACCOUNTS = ["account"]


@pytest.fixture
def store(tmp_path):
    made = Store(f"sqlite:///{tmp_path / 'wan.sqlite3'}")
    yield made
    made.close()


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
        "request": {"duration": 5},
    }
    return Job(**values | changes)


def claimed(store, at=NOW) -> Job:
    (only,) = store.claim(at, lease=120, accounts=ACCOUNTS)
    return only


def test_a_job_comes_back_as_it_was_written(store):
    written = job(
        references=[Reference(kind="video", sha256="a", key="k", sent_key="k", width=1, height=2, seconds=2.5)],
        adjustments=[sentence("image_upright")],
        said=sentence("not_reached"),
        amount=Decimal("0.4125"),
        currency="CNY",
        seed=2**31 - 1,
        payload={"input": {"prompt": "图"}},
    )
    store.add(written)
    assert store.get("job1", "somebody") == written
    assert store.get("job1", "somebody else") is None
    assert store.by_media_token("token1") == written


def test_the_same_live_request_is_joined(store):
    first = store.add(job(1))
    assert store.add(job(2, cache_key="key1")) == first
    assert store.add(job(3, cache_key="key1", owner="somebody else")).id == "job3"
    assert store.add(job(4, cache_key="key1", account="other")).id == "job4"
    held = store.claim(NOW, lease=1, accounts=ACCOUNTS)[0]
    store.advance(held, JobState.CANCELLED, NOW)
    assert store.add(job(5, cache_key="key1")).id == "job5"


def test_a_claim_is_nobody_elses_until_its_lease_ends(store):
    store.add(job())
    assert store.claim(NOW - 1, lease=120, accounts=ACCOUNTS) == []
    assert store.claim(NOW, lease=120, accounts=["other"]) == []
    first = claimed(store)
    assert store.claim(NOW + 119, lease=120, accounts=ACCOUNTS) == []
    second = claimed(store, NOW + 120)
    assert store.keep(first, NOW, due_at=NOW + 500) is None
    assert store.advance(first, JobState.UPLOADING, NOW) is None
    assert store.advance(second, JobState.UPLOADING, NOW).state is JobState.UPLOADING


def test_a_claim_holds_the_rows_of_the_accounts_that_have_something_due(store):
    accounts = ["c", "a", "b"]
    for number, account in enumerate(("b", "a", "a"), 1):
        store.add(job(number, account=account))
    store.add(job(4, account="c", due_at=NOW + 1))
    said = []
    sa.event.listen(store._engine, "before_cursor_execute", lambda _c, _u, statement, values, *_: said.append((statement, values)))
    assert {one.id for one in store.claim(NOW, lease=60, accounts=accounts)} == {"job1", "job2", "job3"}
    names = [values for statement, values in said if "accounts" in statement.partition("FROM")[2]]
    assert names == [("a", "b")]
    order = [statement.split()[0] for statement, _ in said if not statement.startswith("BEGIN")]
    assert order == ["SELECT", "INSERT", "SELECT", "UPDATE"]
    said.clear()
    assert store.claim(NOW, lease=60, accounts=accounts) == []
    assert len([one for one in said if not one[0].startswith("BEGIN")]) == 1


def test_only_the_ways_of_the_table(store):
    for state, ways in TRANSITIONS.items():
        for other in JobState:
            if other in ways:
                continue
            with pytest.raises(ValueError, match="no way from"):
                store.advance(job(state=state), other, NOW)


def test_an_end_is_never_due(store):
    store.add(job())
    ended = store.advance(claimed(store), JobState.FAILED, NOW + 5, said=sentence("cancelled"), spent=Spent.NO)
    assert (ended.due_at, ended.ended_at, ended.live) == (None, NOW + 5, False)
    assert ended.said == sentence("cancelled")
    assert store.claim(NOW * 10, lease=1, accounts=ACCOUNTS) == []
    assert store.next_due(ACCOUNTS) is None


def submitting(store, number) -> Job | None:
    store.add(job(number, state=JobState.UPLOADING))
    held = next(one for one in store.claim(NOW, lease=120, accounts=ACCOUNTS) if one.id == f"job{number}")
    return store.advance(held, JobState.SUBMITTING, NOW)


def test_one_submitting_per_account_and_model(store):
    first = submitting(store, 1)
    assert submitting(store, 2) is None
    assert store.get("job2", "somebody").state is JobState.UPLOADING
    store.adopt(first, "t", "r", NOW, NOW)
    held = store.claim(NOW + 121, lease=120, accounts=ACCOUNTS)
    second = next(one for one in held if one.id == "job2")
    assert store.advance(second, JobState.SUBMITTING, NOW).state is JobState.SUBMITTING


def test_the_task_id_is_written_whoever_holds_the_lease(store):
    sent = submitting(store, 1)
    taken_over = claimed(store, NOW + 500)
    store.advance(taken_over, JobState.UNCERTAIN, NOW + 500, spent=Spent.MAYBE)
    adopted = store.adopt(sent, "task", "request", NOW + 501, NOW + 502)
    assert (adopted.state, adopted.task_id, adopted.request_id, adopted.spent) == (JobState.PENDING, "task", "request", Spent.NO)
    assert store.adopt(sent, "another", "request", NOW, NOW) is None
    assert store.get("job1", "somebody").task_id == "task"


def test_a_cancel_is_noted_and_takes_the_lease_but_not_from_who_waits_for_the_answer(store):
    store.add(job(1))
    held = claimed(store)
    noted = store.want_cancel(held, NOW)
    assert (noted.cancel_wanted, noted.due_at) == (True, NOW)
    again = claimed(store, NOW + 1)
    assert store.want_cancel(again, NOW + 1) == again == store.get("job1", "somebody")
    assert store.start(held, NOW, at_once=5) is None
    assert store.start(again, NOW, at_once=5).state is JobState.UPLOADING
    sent = submitting(store, 2)
    assert store.want_cancel(sent, NOW).due_at == sent.due_at
    assert store.adopt(sent, "t", "r", NOW, NOW).cancel_wanted


def test_the_line_is_first_come_first_served(store):
    for number in (3, 1, 2):
        store.add(job(number))
    jobs = {one.id: one for one in store.claim(NOW, lease=120, accounts=ACCOUNTS)}
    assert [store.place(jobs[f"job{number}"]) for number in (1, 2, 3)] == [1, 2, 3]
    assert store.start(jobs["job2"], NOW, at_once=2) is None
    assert store.start(jobs["job1"], NOW, at_once=2).state is JobState.UPLOADING
    assert store.start(jobs["job2"], NOW, at_once=2).state is JobState.UPLOADING
    assert store.start(jobs["job3"], NOW, at_once=2) is None
    assert store.place(jobs["job3"]) == 1


def test_uploads_are_remembered_while_they_are_good_and_made_by_one_at_a_time(store):
    which = ("account", "model", "key")
    limits = {"lifetime": 100, "lease": 10}
    assert store.claim_upload(*which, NOW, **limits) is None
    assert store.claim_upload(*which, NOW + 9, **limits) == ""
    assert store.claim_upload(*which, NOW + 10, **limits) is None
    store.note_upload(*which, "")
    assert store.claim_upload(*which, NOW + 11, **limits) is None
    store.note_upload(*which, "oss://1")
    assert store.claim_upload(*which, NOW + 110, **limits) == "oss://1"
    assert store.claim_upload("other", "model", "key", NOW, **limits) is None
    assert store.claim_upload("account", "other model", "key", NOW, **limits) is None
    assert store.claim_upload(*which, NOW + 111, **limits) is None


def test_turns_are_apart(store):
    waits = [store.take_turn("account", "query_at", NOW, 0.5) for _ in range(3)]
    assert waits == [0, 0.5, 1]
    assert store.take_turn("account", "submit_at", NOW, 0.5) == 0
    assert store.take_turn("other", "query_at", NOW, 0.5) == 0
    assert store.take_turn("account", "query_at", NOW + 10, 0.5) == 0


def test_the_newest_finished_job_of_a_kind(store):
    for number in (1, 2):
        store.add(job(number, state=JobState.SUCCEEDED, cache_key="key", ended_at=NOW + number, due_at=None))
    store.add(job(3, state=JobState.FAILED, cache_key="key", ended_at=NOW + 3, due_at=None))
    assert store.finished("somebody", "account", "key").id == "job2"
    assert store.finished("somebody else", "account", "key") is None
    assert store.finished("somebody", "other", "key") is None


def test_the_job_to_look_at_first(store):
    assert store.newest("somebody", ["wan2.6-i2v-flash"]) is None
    for number, state in ((1, JobState.PENDING), (2, JobState.RUNNING), (3, JobState.FAILED)):
        store.add(job(number, state=state))
    assert store.newest("somebody", ["wan2.6-i2v-flash"]).id == "job2"
    assert store.newest("somebody", ["wan2.6-r2v"]) is None
    assert store.newest("somebody else", ["wan2.6-i2v-flash"]) is None


def test_past_runs(store):
    for number, seconds in enumerate((4, 6, 8)):
        spans = {"running_at": NOW, "fetching_at": NOW + seconds, "ended_at": NOW + seconds, "due_at": None}
        store.add(job(number, state=JobState.SUCCEEDED, **spans))
    store.add(replace(job(9, state=JobState.SUCCEEDED, running_at=NOW, fetching_at=NOW + 99), request={"duration": 10}))
    assert sorted(store.past_seconds("simulator", "wan2.6-i2v-flash", 5)) == [4, 6, 8]


def test_live_states_are_those_with_a_way_out():
    assert {state for state in JobState if state not in LIVE} == {JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED, JobState.EXPIRED}


def test_what_nobody_has_looked_at_since_its_task_is_gone_is_found(store):
    hour = 3600.0
    store.add(job(1, state=JobState.PENDING, submitted_at=NOW, submitting_at=NOW, due_at=NOW))
    store.add(job(2, state=JobState.PENDING, submitted_at=NOW, submitting_at=NOW, due_at=NOW + 30 * hour))
    store.add(job(3, due_at=NOW))
    assert [one.id for one in store.abandoned(NOW + 2 * hour, NOW + 29 * hour)] == ["job1"]
    assert store.abandoned(NOW - 1, NOW + 29 * hour) == []


def test_two_jobs_in_question_with_one_prompt_are_twins(store):
    prompts = {1: "a cat", 2: "a cat ", 3: "a dog"}
    for number, prompt in prompts.items():
        store.add(job(number, state=JobState.UNCERTAIN, payload={"input": {"prompt": prompt}}))
    assert [store.has_twin(store.get(f"job{number}", "somebody")) for number in prompts] == [True, True, False]


def kept(store, token: str = "link", *, owner: str = "somebody", **changes) -> Review:
    takes = (Take(1, "job2", None), Take(2, "job1", None))
    review = Review(f"review-{token}", owner, "Title", "", token, NOW, None, None, takes)
    store.add_review(replace(review, **changes), token)
    return review


def word(reviewer="a", at=NOW, **changes) -> Verdict:
    values = {"id": f"{reviewer}{at}", "review_id": "review-link", "job_id": "job1", "verdict": "yes", "comment": "", "at_seconds": None}
    return Verdict(**values | {"name": "", "created_at": at, "reviewer": reviewer} | changes)


def test_a_review_comes_back_in_its_order_with_what_was_said(store):
    store.add(job(1, video_key="a"))
    store.add(job(2, video_key="b"))
    store.add(job(3, video_key="c", owner="somebody else"))
    kept(store)
    kept(store, token="other", created_at=NOW + 1)
    words = [word("b", NOW + 2, comment="图", at_seconds=1.5, name="Mei"), word("a", NOW + 1)]
    for one in words:
        store.give(one)
    found = store.review_by_link("link")
    assert [(take.number, take.job.id) for take in found.takes] == [(1, "job2"), (2, "job1")]
    assert found.takes[1].verdicts == tuple(reversed(words))
    assert [one.id for one in store.reviews("somebody")] == ["review-other", "review-link"]
    assert store.review("review-link", "somebody else") is None
    assert store.reviewed_job("link", 2, NOW).id == "job1"
    assert store.reviewed_job("link", 3, NOW) is None


def test_a_take_that_is_gone_leaves_its_place_and_its_verdicts(store):
    store.add(job(1, video_key="a"))
    kept(store)
    store.give(word(job_id="job2"))
    (gone, there) = store.review_by_link("link").takes
    assert (gone.job, len(gone.verdicts), there.job.id) == (None, 1, "job1")
    assert store.reviewed_job("link", 1, NOW) is None


def test_a_take_of_somebody_else_is_shown_by_no_review(store):
    store.add(job(1, video_key="a", owner="somebody else"))
    kept(store)
    assert store.review_by_link("link").takes[1].job is None
    assert store.reviewed_job("link", 2, NOW) is None


def test_a_closed_review_takes_no_words_and_its_token_is_forgotten(store):
    store.add(job(1, video_key="a"))
    kept(store)
    assert not store.revoke_review("review-link", "somebody else", NOW)
    assert store.revoke_review("review-link", "somebody", NOW)
    assert store.revoke_review("review-link", "somebody", NOW + 5)
    assert (store.review_by_link("link").revoked_at, store.review_by_link("link").link_token) == (NOW, None)
    assert store.reviewed_job("link", 2, NOW) is None
    with pytest.raises(ReviewNotFound):
        store.give(word())
    kept(store, token="short", expires_at=NOW + 10)
    store.give(word(review_id="review-short", at=NOW + 9))
    with pytest.raises(ReviewNotFound):
        store.give(word(review_id="review-short", at=NOW + 10))


def test_a_review_is_deleted_with_its_words_by_its_owner_only(store):
    store.add(job(1, video_key="a"))
    kept(store)
    store.give(word())
    assert not store.delete_review("review-link", "somebody else")
    assert store.delete_review("review-link", "somebody")
    assert store.review_by_link("link") is None
    assert not store.delete_review("review-link", "somebody")
    assert store.get("job1", "somebody") is not None
