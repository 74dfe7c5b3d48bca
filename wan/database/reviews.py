"""Reviews, their takes, and the verdicts about them."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from wan.database.engine import Part, in_thread
from wan.database.owners import is_seen_by, seen_by
from wan.database.refusals import TooManyReviews, TooManyTakes
from wan.database.rows import job_of
from wan.database.schema import JOBS, REPLIES, REVIEW_TAKES, REVIEWS, VERDICTS
from wan.database.verdicts import (
    count_change,
    count_people,
    is_open,
    place_of,
    require_place,
    require_voice,
    select_verdicts,
)
from wan.domain.errors import ReviewNotFound
from wan.domain.jobs import Job, label_takes
from wan.domain.plain_text import clean, clean_line
from wan.domain.reviews import REVIEWS_LIMIT, TAKES_LIMIT, Review, Take, Verdict, hash_link


class Reviews(Part):
    """The reviews of every owner."""

    @in_thread
    def add(self, review: Review, token: str) -> None:
        """Write a new review with its takes. token: the end of its link. Raises TooManyReviews
        where its owner has as many as allowed.
        """
        row = {
            "id": review.id,
            "owner": review.owner,
            "title": review.title,
            "note": review.note,
            "created_at": review.created_at,
        }
        row["with_settings"] = review.with_settings
        takes = [
            {
                "review_id": review.id,
                "job_id": take.job_id,
                "position": take.number,
                "label": take.label,
            }
            for take in review.takes
        ]
        with self._database.writing() as connection:
            there = sa.select(sa.func.count()).where(REVIEWS.c.owner == review.owner)
            if connection.execute(there).scalar_one() >= REVIEWS_LIMIT:
                raise TooManyReviews(limit=REVIEWS_LIMIT)
            link = {
                "link_hash": self._hash_link(token),
                "link_token": token,
                "expires_at": review.expires_at,
            }
            connection.execute(REVIEWS.insert().values(**row, **link))
            connection.execute(REVIEW_TAKES.insert().values(takes))

    @in_thread
    def add_takes(self, review_id: str, owner: str, jobs: Sequence[Job], now: float) -> int:
        """Put takes behind those of an owner's open review, each once. Returns how many are new.
        Raises ReviewNotFound, and TooManyTakes where they are more than allowed.
        """
        mine = (REVIEWS.c.id == review_id) & (REVIEWS.c.owner == owner) & is_open(now)
        held = sa.select(REVIEWS.c.id).where(mine).with_for_update()
        takes_of_jobs = REVIEW_TAKES.outerjoin(JOBS, JOBS.c.id == REVIEW_TAKES.c.job_id)
        places = (
            sa.select(REVIEW_TAKES, JOBS.c.brief_id)
            .select_from(takes_of_jobs)
            .where(REVIEW_TAKES.c.review_id == review_id)
            .order_by(REVIEW_TAKES.c.position)
        )
        with self._database.writing() as connection:
            if connection.execute(held).first() is None:
                raise ReviewNotFound
            there = {row.job_id: row for row in connection.execute(places)}
            new = list({job.id: job for job in jobs if job.id not in there}.values())
            if len(there) + len(new) > TAKES_LIMIT:
                raise TooManyTakes(limit=TAKES_LIMIT, there=len(there), new=len(new))
            last = max((row.position for row in there.values()), default=0)
            labels = label_takes(
                new,
                [(row.label or str(row.position), row.brief_id or "") for row in there.values()],
            )
            takes = [
                {
                    "review_id": review_id,
                    "job_id": job.id,
                    "position": position,
                    "label": label,
                    "added_at": now,
                }
                for position, (job, label) in enumerate(zip(new, labels, strict=True), last + 1)
            ]
            if takes:
                connection.execute(REVIEW_TAKES.insert().values(takes))
                count_change(connection, review_id)
        return len(new)

    @in_thread
    def get(self, review_id: str, owner: str) -> Review | None:
        """Return a review by its id, if it is this owner's, with every verdict."""
        return next(
            iter(self._select((REVIEWS.c.id == review_id) & (REVIEWS.c.owner == owner))), None
        )

    @in_thread
    def get_by_link(self, token: str, *, whole: bool = True) -> Review | None:
        """Return the review that a link was made for, whether or not it is still open. whole: with
        every verdict.
        """
        return next(
            iter(
                self._select(
                    REVIEWS.c.link_hash == self._hash_link(token), heard=None if whole else []
                )
            ),
            None,
        )

    @in_thread
    def get_version(self, token: str, now: float) -> str | None:
        """Return a text that changes whenever anything that a review shows does; None for a link
        that is not open.

        Every viewer asks every few seconds, so no words are read. Verdicts only come, or take the
        place of another; and as another process's clock may be behind, the newest one does not tell
        of every such exchange, but the sum does. Jobs only go, or get another name. All else is
        counted.
        """
        known = (REVIEWS.c.id, REVIEWS.c.owner, REVIEWS.c.created_at, REVIEWS.c.changes)
        opened = sa.select(*known).where(
            REVIEWS.c.link_hash == self._hash_link(token), is_open(now)
        )
        with self._database.reading() as connection:
            review = connection.execute(opened).first()
            if review is None:
                return None
            at, takes = (
                VERDICTS.c.created_at,
                REVIEW_TAKES.join(JOBS, JOBS.c.id == REVIEW_TAKES.c.job_id),
            )
            said = sa.select(
                sa.func.count(), sa.func.max(at), sa.func.sum(at - review.created_at)
            ).where(VERDICTS.c.review_id == review.id)
            there = (
                (REVIEW_TAKES.c.review_id == review.id)
                & seen_by(review.owner, shared=self._database.shared)
                & (JOBS.c.video_key != "")
            )
            shown = sa.select(sa.func.count(), sa.func.sum(JOBS.c.version))
            shown = shown.select_from(takes).where(there)
            parts = (
                review.id,
                review.changes,
                *connection.execute(said).one(),
                *connection.execute(shown).one(),
            )
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:20]

    @in_thread
    def list_reviews(self, owner: str, whole: str = "") -> list[Review]:
        """Return every review of an owner, newest first, with the verdicts of the one whose id is
        `whole`: of 200, all would be too much to carry.
        """
        return self._select(REVIEWS.c.owner == owner, heard=[whole])

    @in_thread
    def get_job(self, token: str, number: int, now: float) -> Job | None:
        """Return the job of a take, by a link that is open."""
        theirs = JOBS.join(REVIEW_TAKES, REVIEW_TAKES.c.job_id == JOBS.c.id).join(
            REVIEWS, REVIEWS.c.id == REVIEW_TAKES.c.review_id
        )
        same = (REVIEWS.c.link_hash == self._hash_link(token)) & (REVIEW_TAKES.c.position == number)
        with self._database.reading() as connection:
            found = connection.execute(
                sa.select(JOBS, REVIEWS.c.owner.label("reviewed_by"))
                .select_from(theirs)
                .where(same, is_open(now))
            ).first()
        return None if found is None else self._if_seen(found.reviewed_by, job_of(found))

    @in_thread
    def shows_settings(self, token: str) -> bool:
        """Return whether the owner of a review lets those who have its link know what the takes
        were made with.
        """
        wanted = sa.select(REVIEWS.c.with_settings).where(
            REVIEWS.c.link_hash == self._hash_link(token)
        )
        with self._database.reading() as connection:
            return bool(connection.execute(wanted).scalar())

    @in_thread
    def add_verdict(self, verdict: Verdict, network: str = "") -> None:
        """Write down a verdict, in place of what the same person said of this take before without a
        comment.

        network: where they are, which is kept as a keyed hash; "" for nowhere in particular. Raises
        ReviewNotFound where the review has been closed since, ReviewFull where it takes no more,
        TooManyComments and NetworkFull where it has enough of this person or this network.
        """
        place = place_of(self._database.seal, verdict.review_id, network)
        ours = VERDICTS.c.review_id == verdict.review_id
        same = (
            ours & (VERDICTS.c.job_id == verdict.job_id) & (VERDICTS.c.reviewer == verdict.reviewer)
        )
        # What has replies stays, though its comment was deleted.
        answered = sa.select(REPLIES.c.comment_id).where(REPLIES.c.review_id == verdict.review_id)
        replaced = VERDICTS.delete().where(
            same, VERDICTS.c.comment == "", VERDICTS.c.id.not_in(answered)
        )
        held = (
            sa.select(REVIEWS.c.id)
            .where(REVIEWS.c.id == verdict.review_id, is_open(verdict.created_at))
            .with_for_update()
        )
        with self._database.writing() as connection:
            if connection.execute(held).first() is None:
                raise ReviewNotFound
            if not connection.execute(replaced).rowcount:
                require_place(connection, verdict.review_id, place)
            if verdict.comment:
                require_voice(connection, verdict.review_id, verdict.reviewer)
            folded = verdict.comment.casefold()
            row = asdict(verdict) | {"place": place, "comment_folded": folded}
            del row["replies"]
            connection.execute(VERDICTS.insert().values(row))

    @in_thread
    def revoke(self, review_id: str, owner: str, now: float) -> bool:
        """Close a review's link for good. Returns whether there is such a review."""
        mine = (REVIEWS.c.id == review_id) & (REVIEWS.c.owner == owner)
        values = {"revoked_at": sa.func.coalesce(REVIEWS.c.revoked_at, now), "link_token": None}
        with self._database.writing() as connection:
            return bool(connection.execute(REVIEWS.update().where(mine).values(values)).rowcount)

    @in_thread
    def forget_links(self, now: float) -> None:
        """Forget the tokens of links that have ended: they need not be shown again, and are told by
        their hash.
        """
        with self._database.writing() as connection:
            connection.execute(
                REVIEWS.update().where(REVIEWS.c.expires_at <= now).values(link_token=None)
            )

    @in_thread
    def delete(self, review_id: str, owner: str) -> bool:
        """Delete a review with its verdicts; the jobs stay. Returns whether there was such a
        review.
        """
        mine = (REVIEWS.c.id == review_id) & (REVIEWS.c.owner == owner)
        with self._database.writing() as connection:
            if (
                connection.execute(sa.select(REVIEWS.c.id).where(mine).with_for_update()).first()
                is None
            ):
                return False
            for table in (REPLIES, VERDICTS, REVIEW_TAKES):
                connection.execute(table.delete().where(table.c.review_id == review_id))
            connection.execute(REVIEWS.delete().where(mine))
        return True

    def _select(
        self, where: sa.ColumnElement[bool], heard: Sequence[str] | None = None
    ) -> list[Review]:
        """Return reviews, newest first. heard: ids of those that come with their verdicts; all do
        without it.
        """
        newest = REVIEWS.select().where(where).order_by(REVIEWS.c.created_at.desc(), REVIEWS.c.id)
        with self._database.reading() as connection:
            rows = connection.execute(newest).all()
            ids = [row.id for row in rows]
            places = (
                REVIEW_TAKES.select()
                .where(REVIEW_TAKES.c.review_id.in_(ids))
                .order_by(REVIEW_TAKES.c.position)
            )
            takes = connection.execute(places).all()
            shown = JOBS.select().where(
                JOBS.c.id.in_({take.job_id for take in takes}), JOBS.c.video_key != ""
            )
            jobs = {row.id: job_of(row) for row in connection.execute(shown)}
            people, said = (
                count_people(connection, ids),
                select_verdicts(connection, ids if heard is None else heard),
            )
        shown_in: dict[str, list[Take]] = defaultdict(list)
        owners = {row.id: row.owner for row in rows}
        for take in takes:
            job, verdicts = (
                self._if_seen(owners[take.review_id], jobs.get(take.job_id)),
                tuple(said[take.review_id, take.job_id]),
            )
            shown_in[take.review_id].append(
                Take(
                    take.position,
                    take.job_id,
                    job,
                    verdicts,
                    label=take.label or "",
                    added_at=take.added_at,
                )
            )
        known = [_review_of(row) for row in rows]
        return [
            Review(**one, takes=tuple(shown_in[one["id"]]), people=people.get(one["id"], 0))
            for one in known
        ]

    def _if_seen(self, owner: str, job: Job | None) -> Job | None:
        shared = self._database.shared
        return job if job is not None and is_seen_by(owner, job, shared=shared) else None

    def _hash_link(self, token: str) -> str:
        """Return the hash by which a review is found whose link ends with this token."""
        return self._database.seal.hash("link", hash_link(token))


def _review_of(row: Any) -> dict[str, Any]:
    """Return what a row says of a review itself."""
    hidden = ("link_hash", "changes")
    values = {name: value for name, value in row._mapping.items() if name not in hidden}
    return values | {
        "title": clean_line(row.title),
        "note": clean(row.note),
        "with_settings": bool(row.with_settings),
    }
