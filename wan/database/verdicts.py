"""What is said in reviews: how it is read, and who may still say something. The parts that write it
share this.
"""

from collections import defaultdict
from collections.abc import Sequence

import sqlalchemy as sa

from wan.database.refusals import NetworkFull, ReviewFull, TooManyComments
from wan.database.schema import COMMENT_FOLDED, REPLIES, REVIEWS, VERDICTS
from wan.domain.ids import Seal
from wan.domain.plain_text import clean, clean_line
from wan.domain.reviews import COMMENTS_LIMIT, VERDICTS_LIMIT, Reply, Verdict


def is_open(now: float) -> sa.ColumnElement[bool]:
    """Whether a review's link leads somewhere."""
    return REVIEWS.c.revoked_at.is_(None) & (
        REVIEWS.c.expires_at.is_(None) | (REVIEWS.c.expires_at > now)
    )


def select_judged(owner: str, verdict: str = "") -> sa.Select[tuple[str]]:
    """Select the ids of an owner's jobs of which somebody's latest verdict in a review is this one;
    of all that have a verdict, where none is named.
    """
    theirs = _in_reviews_of(owner)
    each = [VERDICTS.c.review_id, VERDICTS.c.job_id, VERDICTS.c.reviewer]
    place = (
        sa.func.row_number()
        .over(partition_by=each, order_by=[VERDICTS.c.created_at.desc(), VERDICTS.c.id])
        .label("place")
    )
    said = sa.select(VERDICTS.c.job_id, VERDICTS.c.verdict, place).where(theirs).subquery()
    return sa.select(said.c.job_id).where(
        said.c.place == 1, *([said.c.verdict == verdict] if verdict else [])
    )


def select_commented(owner: str, word: str) -> sa.Select[tuple[str]]:
    """Select the ids of the jobs of which somebody has said this in a review of an owner. word:
    casefolded.
    """
    said = COMMENT_FOLDED.contains(word, autoescape=True)
    return sa.select(VERDICTS.c.job_id).where(_in_reviews_of(owner), said)


def _in_reviews_of(owner: str) -> sa.ColumnElement[bool]:
    return VERDICTS.c.review_id.in_(sa.select(REVIEWS.c.id).where(REVIEWS.c.owner == owner))


def count_change(connection: sa.Connection, review_id: str) -> None:
    """Let viewers see that a review shows something else."""
    changes = sa.func.coalesce(REVIEWS.c.changes, 0) + 1
    connection.execute(REVIEWS.update().where(REVIEWS.c.id == review_id).values(changes=changes))


def count_people(connection: sa.Connection, review_ids: Sequence[str]) -> dict[str, int]:
    """Return how many different people have given a verdict in each review."""
    people = sa.func.count(VERDICTS.c.reviewer.distinct()).label("people")
    counted = (
        sa.select(VERDICTS.c.review_id, people)
        .where(VERDICTS.c.review_id.in_(review_ids))
        .group_by(VERDICTS.c.review_id)
    )
    return {row.review_id: row.people for row in connection.execute(counted)}


def select_verdicts(
    connection: sa.Connection, review_ids: Sequence[str]
) -> dict[tuple[str, str], list[Verdict]]:
    """Return the verdicts of reviews, by review and job, oldest first, with their replies."""
    replies = _select_replies(connection, review_ids)
    oldest = (
        VERDICTS.select()
        .where(VERDICTS.c.review_id.in_(review_ids))
        .order_by(VERDICTS.c.created_at, VERDICTS.c.id)
    )
    said: dict[tuple[str, str], list[Verdict]] = defaultdict(list)
    for row in connection.execute(oldest):
        words = {
            "comment": clean(row.comment),
            "name": clean_line(row.name),
            "replies": tuple(replies[row.id]),
        }  # old rows are as they were given
        known = {
            name: value
            for name, value in row._mapping.items()
            if name not in ("place", "comment_folded")
        }
        said[row.review_id, row.job_id].append(Verdict(**known | words))
    return said


def _select_replies(connection: sa.Connection, review_ids: Sequence[str]) -> dict[str, list[Reply]]:
    """Return the replies in reviews, by the comment that they answer, oldest first."""
    oldest = (
        REPLIES.select()
        .where(REPLIES.c.review_id.in_(review_ids))
        .order_by(REPLIES.c.created_at, REPLIES.c.id)
    )
    said: dict[str, list[Reply]] = defaultdict(list)
    for row in connection.execute(oldest):
        known = {
            name: value
            for name, value in row._mapping.items()
            if name not in ("review_id", "place")
        }
        said[row.comment_id].append(Reply(**known))
    return said


def place_of(seal: Seal, review_id: str, network: str) -> str | None:
    """Return what tells networks apart within a review. network: "" for nowhere in particular."""
    return seal.hash("place", f"{review_id}\n{network}")[:32] if network else None


def require_place(connection: sa.Connection, review_id: str, place: str | None) -> None:
    """Raise ReviewFull where a review takes no more, NetworkFull where it takes no more from one
    network.

    A network gets half of what the others have left, so that something is always kept for the next
    one: tokens cost nothing. What its owner says takes no room.
    """
    total = own = 0
    for table in (VERDICTS, REPLIES):
        theirs = sa.func.count().filter(table.c.place == place)
        said = table.c.review_id == review_id
        if table is REPLIES:
            said &= table.c.reviewer.is_not(None)
        counted = connection.execute(sa.select(sa.func.count(), theirs).where(said)).one()
        total, own = total + counted[0], own + counted[1]
    if total >= VERDICTS_LIMIT:
        raise ReviewFull(limit=VERDICTS_LIMIT)
    if place is not None and own >= (VERDICTS_LIMIT - (total - own)) / 2:
        raise NetworkFull()


def require_voice(connection: sa.Connection, review_id: str, reviewer: str | None) -> None:
    """Raise TooManyComments where somebody has written as many comments and replies in a review as
    one person may.
    """
    comments = (VERDICTS.c.reviewer == reviewer) & (VERDICTS.c.comment != "")
    total = 0
    for table, theirs in ((VERDICTS, comments), (REPLIES, REPLIES.c.reviewer == reviewer)):
        said = (table.c.review_id == review_id) & theirs
        total += connection.execute(sa.select(sa.func.count()).where(said)).scalar_one()
    if total >= COMMENTS_LIMIT:
        raise TooManyComments(limit=COMMENTS_LIMIT)
