"""What the owner of a review says about its comments: replies, and that one is settled."""

from collections.abc import Awaitable, Callable

from wan.domain.reviews import Person
from wan.service.studio import Studio
from wan.ui.caller import Caller, Events
from wan.ui.components.browser_text import BrowserText
from wan.ui.components.review import OfComment, ReviewPanel

Show = Callable[[Caller, str], Awaitable[tuple[str, str]]]
"""Gives the reviews as they are then, and the id of the one that is open."""
Refuse = Callable[..., Awaitable[tuple[str, str]]]


class OwnersDiscussion:
    """The buttons of comments in the owner's tab. show: the tab's reviews. refuse: the same with
    why something could not be done.
    """

    def __init__(self, studio: Studio, show: Show) -> None:
        self._studio, self._show = studio, show

    def connect(
        self, events: Events, panel: ReviewPanel, opened: BrowserText, refuse: Refuse
    ) -> None:
        """Connect the buttons. opened: the id of the review that is open."""
        for event, act in (
            (panel.reply, self.reply),
            (panel.rewrite, self.rewrite),
            (panel.take_back, self.take_back),
            (panel.resolve, self.resolve),
            (panel.reopen, self.reopen),
        ):
            answer = events.connect(
                event,
                act,
                [opened],
                [panel, opened],
                refuse=refuse,
                values=OfComment,
                trigger_mode="multiple",
            )
            # Not every answer renders the panel anew, and not every event has one.
            name = act.__name__
            answer.success(
                None, panel, js=f"(html) => window.wanDiscussion.answered('{name}', html)"
            )
            answer.failure(None, js=f"() => window.wanDiscussion.answered('{name}', '')")

    async def reply(self, caller: Caller, event: OfComment, opened: str) -> tuple[str, str]:
        """Answer a comment."""
        owner = self._find_owner(caller, event)
        await self._studio.discussion.reply(owner, event.comment, event.text)
        return await self._show(caller, opened)

    async def rewrite(self, caller: Caller, event: OfComment, opened: str) -> tuple[str, str]:
        """Change a reply of one's own."""
        owner = self._find_owner(caller, event)
        await self._studio.discussion.edit(owner, event.comment, event.text)
        return await self._show(caller, opened)

    async def take_back(self, caller: Caller, event: OfComment, opened: str) -> tuple[str, str]:
        """Delete a reply of one's own."""
        await self._studio.discussion.delete(self._find_owner(caller, event), event.comment)
        return await self._show(caller, opened)

    async def resolve(self, caller: Caller, event: OfComment, opened: str) -> tuple[str, str]:
        """Settle a comment."""
        return await self._settle(caller, event, opened, resolved=True)

    async def reopen(self, caller: Caller, event: OfComment, opened: str) -> tuple[str, str]:
        """Open a comment again."""
        return await self._settle(caller, event, opened, resolved=False)

    async def _settle(
        self, caller: Caller, event: OfComment, opened: str, *, resolved: bool
    ) -> tuple[str, str]:
        owner = self._find_owner(caller, event)
        await self._studio.discussion.resolve(owner, event.comment, resolved=resolved)
        return await self._show(caller, opened)

    def _find_owner(self, caller: Caller, event: OfComment) -> Person:
        return self._studio.discussion.find_owner(event.review, caller.owner)
