"""What is said about comments: replies, what somebody mends or deletes, and what is settled."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from wan.database.engine import Part, in_thread
from wan.database.refusals import TooManyReplies
from wan.database.schema import REPLIES, REVIEWS, VERDICTS
from wan.database.verdicts import count_change, is_open, place_of, require_place, require_voice
from wan.domain.errors import ReviewNotFound
from wan.domain.reviews import REPLIES_LIMIT, Person, Reply

_SAME_WORDS = {"comment_folded": VERDICTS.c.comment_folded}
"""Leaves what a search finds, where the words of a comment stay."""


class Discussion(Part):
    """The discussions of every review.

    Somebody who has its link can write while that is open, its owner always. Each method that
    writes raises ReviewNotFound for anybody else, and returns whether there was something that it
    could change: an id alone opens nothing, without the hash of its writer.
    """

    @in_thread
    def add_reply(self, person: Person, reply: Reply, network: str = "") -> bool:
        """Write a reply to a comment. network: as for a verdict. Raises TooManyReplies, and where
        it is not the owner's also ReviewFull, NetworkFull and TooManyComments.
        """
        place = place_of(self._database.seal, person.review_id, network)
        comment = sa.select(VERDICTS.c.id).where(
            VERDICTS.c.id == reply.comment_id,
            VERDICTS.c.review_id == person.review_id,
            VERDICTS.c.comment != "",
        )
        there = sa.select(sa.func.count()).where(REPLIES.c.comment_id == reply.comment_id)
        row = asdict(reply) | {"review_id": person.review_id, "place": place}
        with self._writing(person, reply.created_at) as connection:
            if connection.execute(comment).first() is None:
                return False
            if connection.execute(there).scalar_one() >= REPLIES_LIMIT:
                raise TooManyReplies(limit=REPLIES_LIMIT)
            if not person.owner:
                require_place(connection, person.review_id, place)
                require_voice(connection, person.review_id, person.reviewer)
            connection.execute(REPLIES.insert().values(row))
            count_change(connection, person.review_id)
        return True

    @in_thread
    def edit(self, person: Person, comment_id: str, text: str, now: float) -> bool:
        """Change the text of one's own comment, which is settled no longer, or reply."""
        folded = {"comment": text, "comment_folded": text.casefold()}
        comment = folded | {"edited_at": now, "resolved_at": None}
        return self._change(
            person,
            now,
            [
                VERDICTS.update()
                .where(_own(VERDICTS, person, comment_id), VERDICTS.c.comment != "")
                .values(comment),
                REPLIES.update()
                .where(_own(REPLIES, person, comment_id))
                .values(text=text, edited_at=now),
            ],
        )

    @in_thread
    def delete(self, person: Person, comment_id: str, now: float) -> bool:
        """Delete one's own comment or reply. A comment's verdict stays, and so do its replies."""
        times = dict.fromkeys(("at_seconds", "edited_at", "resolved_at"))
        nothing = {"comment": "", "comment_folded": ""} | times
        return self._change(
            person,
            now,
            [
                VERDICTS.update()
                .where(_own(VERDICTS, person, comment_id), VERDICTS.c.comment != "")
                .values(nothing),
                REPLIES.delete().where(_own(REPLIES, person, comment_id)),
            ],
        )

    @in_thread
    def rename(self, person: Person, name: str, now: float) -> bool:
        """Put another name to all that somebody has said in a review."""
        return self._change(
            person,
            now,
            [
                table.update()
                .where(_said_by(table, person), table.c.name != name)
                .values({"name": name} | kept)
                for table, kept in ((VERDICTS, _SAME_WORDS), (REPLIES, {}))
            ],
        )

    @in_thread
    def resolve(self, person: Person, comment_id: str, now: float, at: float | None) -> bool:
        """Settle a comment, for the owner of its review. at: None to open it again."""
        theirs = (VERDICTS.c.id == comment_id) & (VERDICTS.c.review_id == person.review_id)
        settled = {"resolved_at": at} | _SAME_WORDS
        settle = VERDICTS.update().where(theirs, VERDICTS.c.comment != "").values(settled)
        return bool(person.owner) and self._change(person, now, [settle])

    @in_thread
    def list_own(self, person: Person) -> list[str]:
        """Return the ids of somebody's comments and replies in a review."""
        written = (VERDICTS.c.comment != "", sa.true())
        with self._database.reading() as connection:
            return [
                row.id
                for table, has_text in zip((VERDICTS, REPLIES), written, strict=True)
                for row in connection.execute(
                    sa.select(table.c.id).where(_said_by(table, person), has_text)
                )
            ]

    def _change(self, person: Person, now: float, statements: list[Any]) -> bool:
        """Run statements of which each changes what it finds. Returns whether one found any."""
        with self._writing(person, now) as connection:
            changed = sum(connection.execute(statement).rowcount for statement in statements)
            if changed:
                count_change(connection, person.review_id)
        return bool(changed)

    @contextmanager
    def _writing(self, person: Person, now: float) -> Iterator[sa.Connection]:
        """Open a transaction that writes in a review, one after the other. Raises ReviewNotFound
        for whoever may not.
        """
        admitted = REVIEWS.c.owner == person.owner if person.owner else is_open(now)
        held = sa.select(REVIEWS.c.id).where(REVIEWS.c.id == person.review_id, admitted)
        with self._database.writing() as connection:
            if connection.execute(held.with_for_update()).first() is None:
                raise ReviewNotFound
            yield connection


def _own(table: sa.Table, person: Person, comment_id: str) -> sa.ColumnElement[bool]:
    """What somebody has written themselves, by its id."""
    return (table.c.id == comment_id) & _said_by(table, person)


def _said_by(table: sa.Table, person: Person) -> sa.ColumnElement[bool]:
    """What somebody has said in a review. Its owner gives no verdicts: those without a writer are
    of an earlier version.
    """
    if person.reviewer is not None:
        writer = table.c.reviewer == person.reviewer
    else:
        writer = table.c.reviewer.is_(None) if table is REPLIES else sa.false()
    return (table.c.review_id == person.review_id) & writer
