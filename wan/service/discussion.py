"""What is said about comments in a review, by those who have its link and by its owner."""

from collections.abc import Callable

from wan.database import discussion as tables
from wan.database.engine import Database
from wan.domain import ids
from wan.domain import reviews as rules
from wan.domain.errors import ReviewNotFound
from wan.domain.reviews import Person, Reply
from wan.service.refusals import explain_refusals
from wan.service.reviews import Reviews


class Discussion:
    """The discussions of every review. Who speaks is a `Person`, by their link or as the owner.
    changed: called after every write.

    What comes from outside may be anything: each method raises InvalidInput for what is wrong, also
    for a comment that is not there or not this person's, ReviewNotFound for a review that is closed
    to them, and StorageUnavailable.
    """

    def __init__(
        self,
        database: Database,
        reviews: Reviews,
        clock: Callable[[], float],
        changed: Callable[[], None],
    ) -> None:
        self._tables, self._reviews = tables.Discussion(database), reviews
        self._clock, self._changed = clock, changed

    async def find_reviewer(self, link: str, reviewer: object) -> Person:
        """Return who somebody with a review's link is. reviewer: their browser's token."""
        review = await self._reviews.get_by_link(link, whole=False)
        return Person(review.id, reviewer=rules.hash_reviewer(review.id, reviewer))

    def find_owner(self, review_id: str, owner: str) -> Person:
        """Return the owner of a review as somebody who speaks in it. That it is theirs is checked
        where something is written.
        """
        if not ids.has_shape(ids.REVIEW, review_id) or not owner:
            raise ReviewNotFound
        return Person(review_id, owner=owner)

    async def reply(
        self, person: Person, comment: object, text: object, name: object = "", network: str = ""
    ) -> None:
        """Answer a comment. comment: its id. name: of somebody who has the link. network: where
        they are. Raises AccessRefused where there is no room for more.
        """
        reply = Reply(
            id=ids.new_review_id(),
            comment_id=rules.check_comment_id(comment),
            text=rules.check_comment(text),
            name="" if person.owner else rules.check_name(name),
            created_at=self._clock(),
            reviewer=person.reviewer,
        )
        with explain_refusals():
            self._require(await self._tables.add_reply(person, reply, network))

    async def edit(self, person: Person, comment: object, text: object) -> None:
        """Change the text of one's own comment or reply."""
        own, words = rules.check_comment_id(comment), rules.check_comment(text)
        self._require(await self._tables.edit(person, own, words, self._clock()))

    async def delete(self, person: Person, comment: object) -> None:
        """Delete one's own comment or reply; the verdict that it came with stays, and what others
        replied.
        """
        own = rules.check_comment_id(comment)
        self._require(await self._tables.delete(person, own, self._clock()))

    async def resolve(self, person: Person, comment: object, *, resolved: bool) -> None:
        """Settle a comment, or open it again: the owner's to say."""
        known, now = rules.check_comment_id(comment), self._clock()
        self._require(await self._tables.resolve(person, known, now, now if resolved else None))

    async def rename(self, person: Person, name: object) -> None:
        """Put another name to all that somebody with the link has said."""
        if await self._tables.rename(person, rules.check_name(name), self._clock()):
            self._changed()

    async def list_own(self, person: Person) -> list[str]:
        """Return the ids of somebody's own comments and replies."""
        return await self._tables.list_own(person)

    def _require(self, done: bool) -> None:  # noqa: FBT001
        """Tell everybody who looks, or raise InvalidInput where there was nothing to do it to."""
        if not done:
            raise rules.comment_missing()
        self._changed()
