"""What is said about comments, and that only its writer, or the review's owner, changes it."""

import pytest
import sqlalchemy as sa

from tests.blocking import Store
from tests.database.test_store import NOW, job, kept, word
from wan.database.refusals import (
    NetworkFull,
    ReviewFull,
    TooManyComments,
    TooManyReplies,
    TooManyTakes,
)
from wan.database.schema import VERDICTS
from wan.domain.errors import ReviewNotFound
from wan.domain.reviews import Person, Reply, Take, Verdict

REVIEW = "review-link"
OWNER = Person(REVIEW, owner="somebody")
ANN, BOB = Person(REVIEW, reviewer="ann"), Person(REVIEW, reviewer="bob")
STRANGERS = (
    BOB,
    OWNER,
    Person("review-other", reviewer="ann"),
    Person("review-other", owner="somebody"),
)


def answer(person: Person = BOB, comment="c", at=NOW, **changes) -> Reply:
    values = {"id": f"r{at}", "comment_id": comment, "text": "Which one?", "name": ""}
    return Reply(**values | {"created_at": at, "reviewer": person.reviewer} | changes)


def comment_in(store: Store) -> Verdict:
    """The comment that the review in `talked` has, as it is now."""
    (only,) = [one for one in take_of(store).verdicts if one.id == "c"]
    return only


def take_of(store: Store) -> Take:
    return store.reviews.get_by_link("link").takes[1]


def folded(store: Store) -> list[str | None]:
    """What a search of the library looks through."""
    with store.database.reading() as connection:
        return connection.execute(sa.select(VERDICTS.c.comment_folded)).scalars().all()


@pytest.fixture
def talked(store: Store) -> Store:
    """Two reviews, and in the first a comment by Ann."""
    store.add(job(1, video_key="a"))
    kept(store)
    kept(store, token="other")
    store.reviews.add_verdict(word("ann", NOW + 1, id="c", comment="Too dark", at_seconds=1.0))
    return store


def test_who_wrote_it_changes_it_and_nobody_else(talked):
    say, versions = talked.discussion, []
    for one in (answer(), answer(OWNER, at=NOW + 1)):
        assert say.add_reply(BOB if one.reviewer else OWNER, one)
    assert [one.reviewer for one in comment_in(talked).replies] == ["bob", None]
    before = take_of(talked)
    for person in STRANGERS:
        owned = person.owner and person.review_id == REVIEW
        for comment in ("c", f"r{NOW}", f"r{NOW + 1}", "nothing"):
            if (person, comment) in ((BOB, f"r{NOW}"), (OWNER, f"r{NOW + 1}")):
                continue
            assert not say.edit(person, comment, "forged", NOW), (person, comment)
            assert not say.delete(person, comment, NOW), (person, comment)
            if not (owned and comment == "c"):
                assert not say.resolve(person, comment, NOW, NOW), (person, comment)
    assert not say.resolve(ANN, "c", NOW, NOW)
    assert take_of(talked) == before
    assert [sorted(say.list_own(one)) for one in (ANN, BOB, OWNER)] == [
        ["c"],
        [f"r{NOW}"],
        [f"r{NOW + 1}"],
    ]

    for change in (
        lambda: say.resolve(OWNER, "c", NOW, NOW + 5),
        lambda: say.edit(ANN, "c", "Too bright", NOW + 6),
        lambda: say.edit(BOB, f"r{NOW}", "This one?", NOW + 7),
        lambda: say.rename(ANN, "Ann", NOW),
        lambda: say.delete(OWNER, f"r{NOW + 1}", NOW),
        lambda: say.delete(ANN, "c", NOW),
    ):
        versions.append(talked.reviews.get_version("link", NOW))
        assert change()
        assert talked.reviews.get_version("link", NOW) not in versions
        assert folded(talked) == [comment_in(talked).comment.casefold()]
        if len(versions) == 1:
            assert comment_in(talked).resolved_at == NOW + 5
        elif len(versions) == 2:  # what was settled is another text now
            assert (comment_in(talked).comment, comment_in(talked).resolved_at) == (
                "Too bright",
                None,
            )
    gone = comment_in(talked)
    assert (gone.comment, gone.name, gone.verdict, gone.at_seconds) == ("", "Ann", "yes", None)
    assert [(one.text, one.edited_at) for one in gone.replies] == [("This one?", NOW + 7)]
    assert not say.add_reply(BOB, answer(at=NOW + 9))  # to a comment that is gone
    talked.reviews.add_verdict(word("ann", NOW + 9, verdict="no"))
    assert [one.id for one in take_of(talked).comments] == ["c"]
    assert (take_of(talked).tally.no, take_of(talked).tally.yes) == (1, 0)
    assert say.delete(BOB, f"r{NOW}", NOW)
    talked.reviews.add_verdict(word("ann", NOW + 10))
    assert [one.created_at for one in take_of(talked).verdicts] == [NOW + 10]


def test_a_verdict_without_a_writer_is_nobodys(talked):
    """Rows of the first versions have none, as what an owner says has none."""
    talked.reviews.add_verdict(word(None, NOW + 2, id="old", comment="of old"))
    for person in (*STRANGERS, ANN):
        assert not talked.discussion.edit(person, "old", "forged", NOW)
        assert not talked.discussion.delete(person, "old", NOW)
        assert "old" not in talked.discussion.list_own(person)


def test_a_closed_review_is_its_owners_only(talked):
    say = talked.discussion
    assert talked.reviews.revoke(REVIEW, "somebody", NOW)
    for call in (
        lambda: say.add_reply(BOB, answer()),
        lambda: say.edit(ANN, "c", "more", NOW),
        lambda: say.delete(ANN, "c", NOW),
        lambda: say.rename(ANN, "Ann", NOW),
        lambda: say.add_reply(Person(REVIEW, owner="else"), answer(OWNER)),
        lambda: say.resolve(Person(REVIEW, owner="else"), "c", NOW, NOW),
        lambda: talked.reviews.add_takes(REVIEW, "somebody", [job(9)], NOW),
    ):
        with pytest.raises(ReviewNotFound):
            call()
    assert say.add_reply(OWNER, answer(OWNER))
    assert say.resolve(OWNER, "c", NOW, NOW)
    assert talked.reviews.delete(REVIEW, "somebody")


def test_replies_have_the_limits_of_comments(talked, monkeypatch):
    say = talked.discussion
    monkeypatch.setattr("wan.database.verdicts.COMMENTS_LIMIT", 2)
    assert say.add_reply(ANN, answer(ANN))
    with pytest.raises(TooManyComments):
        say.add_reply(ANN, answer(ANN, at=NOW + 1))
    with pytest.raises(TooManyComments):
        talked.reviews.add_verdict(word("ann", NOW + 2, comment="more"))
    monkeypatch.setattr("wan.database.discussion.REPLIES_LIMIT", 2)
    assert say.add_reply(BOB, answer(at=NOW + 3))
    for person in (BOB, OWNER):
        with pytest.raises(TooManyReplies):
            say.add_reply(person, answer(person, at=NOW + 4))
    monkeypatch.setattr("wan.database.discussion.REPLIES_LIMIT", 9)
    monkeypatch.setattr("wan.database.verdicts.VERDICTS_LIMIT", 6)
    crowd = [Person(REVIEW, reviewer=f"p{number}") for number in range(3)]
    for at, person in enumerate(crowd[:2], 5):
        assert say.add_reply(person, answer(person, at=NOW + at), "192.0.2.7")
    with pytest.raises(NetworkFull):
        say.add_reply(crowd[2], answer(crowd[2], at=NOW + 9), "192.0.2.7")
    monkeypatch.setattr("wan.database.verdicts.VERDICTS_LIMIT", 3)
    with pytest.raises(ReviewFull):
        say.add_reply(Person(REVIEW, reviewer="p"), answer(at=NOW + 20))
    assert say.add_reply(OWNER, answer(OWNER, at=NOW + 21))


def test_takes_come_behind_those_that_are_there(talked):
    version = talked.reviews.get_version("link", NOW)
    three, four = job(3, video_key="v", take=2), job(4, video_key="v", take=3)
    for one in (three, four):
        talked.add(one)
    add = talked.reviews.add_takes
    with pytest.raises(ReviewNotFound):
        add(REVIEW, "somebody else", [three], NOW)
    assert add(REVIEW, "somebody", [four, job(1), three, four], NOW + 5) == 2
    assert talked.reviews.get_version("link", NOW) != version
    takes = talked.reviews.get_by_link("link").takes
    assert [(one.number, one.job_id, one.added_at) for one in takes] == [
        *((1, "job2", None), (2, "job1", None)),
        *((3, "job4", NOW + 5), (4, "job3", NOW + 5)),
    ]
    assert [one.label for one in takes[2:]] == ["3A", "2B"]  # of other briefs
    assert talked.reviews.get_job("link", 3, NOW).id == "job4"
    assert add(REVIEW, "somebody", [four], NOW + 6) == 0
    with pytest.raises(TooManyTakes) as refused:
        add(REVIEW, "somebody", [job(number) for number in range(10, 19)], NOW)
    assert (refused.value.there, refused.value.new) == (4, 9)
    assert add(REVIEW, "somebody", [job(number) for number in range(10, 18)], NOW) == 8


def test_a_brief_keeps_its_letter_in_a_review(talked):
    add = talked.reviews.add_takes
    for number, take in ((3, 1), (4, 2), (5, 3)):
        one = talked.add(job(number, video_key="v", take=take, brief_id="later"))
        assert add(REVIEW, "somebody", [one], NOW) == 1
    takes = talked.reviews.get_by_link("link").takes
    assert [one.label for one in takes[2:]] == ["1A", "2A", "3A"]
