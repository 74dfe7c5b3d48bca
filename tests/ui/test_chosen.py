"""What is chosen in the library reaches what is done with it: whole, and nothing in silence."""

import gradio as gr
import pytest

from tests.database.test_store import job
from tests.ui.conftest import Write
from wan.domain import ids
from wan.domain.errors import InvalidInput
from wan.domain.jobs import CHOSEN_LIMIT, JobState
from wan.service.studio import Studio
from wan.ui import connection
from wan.ui.caller import Caller, Events, owner_of
from wan.ui.chosen import find_videos
from wan.ui.chosen_takes import ChosenTakes, Joining
from wan.ui.components.browser_text import BrowserText
from wan.ui.components.library import Labels
from wan.ui.components.review import OfReview
from wan.ui.review import ReviewTab

pytestmark = pytest.mark.anyio
ANN = gr.Request(username="ann")


class Page:
    """The library of somebody, and their reviews."""

    def __init__(self, studio: Studio, write: Write) -> None:
        self.write, self.studio, self.owner = write, studio, owner_of(studio, "", ANN)
        self.caller = Caller(studio, ANN, "")
        with gr.Blocks():
            events = Events("en", studio, connection.build("en", studio))
            chosen = BrowserText("chosen", restored=False)
            self.takes = ChosenTakes(events, chosen)
            self.reviews = ReviewTab(events, chosen)

    async def add(self, number: int, *, video: bool = True, **changes) -> str:
        """Write a job that has ended, with a video or without one."""
        end = {"state": JobState.SUCCEEDED, "video_key": "v"} if video else {}
        written = job(
            number,
            id=ids.new_job_id(),
            owner=self.owner,
            **{"state": JobState.FAILED, "due_at": None, "duration": 5.0} | end | changes,
        )
        await self.write(written)
        return written.id


@pytest.fixture
async def page(studio, write):
    return Page(studio, write)


async def test_every_chosen_video_is_joined_whatever_else_is_chosen(page):
    failed = [await page.add(number, video=False) for number in range(6)]
    made = [await page.add(10 + number, width=100 + number, height=100) for number in range(18)]
    chosen = " ".join([*failed, *made, made[0], ids.new_job_id()])
    found, gone = await find_videos(page.studio, chosen, page.owner)
    assert [one.id for one in found] == made
    assert gone == chosen.split()[-1:]
    (question,) = [step async for step in page.takes.join(page.caller, Joining(), chosen)]
    assert all(f"{100 + number}×100" in question for number in range(18))
    more = " ".join([chosen, *[await page.add(40 + number) for number in range(3)]])
    (refusal,) = [step async for step in page.takes.join(page.caller, Joining(), more)]
    assert "two to twenty" in refusal


async def test_a_review_holds_every_chosen_video_whatever_else_is_chosen(page):
    failed = [await page.add(number, video=False) for number in range(6)]
    made = [await page.add(10 + number) for number in range(12)]
    chosen = " ".join(failed + made[:11])
    shown = await page.reviews.show_chosen(page.caller, chosen)
    assert shown.count("<li>") == 11
    given = ("Which one?", "", "never", chosen, False)
    await page.reviews.create_review(page.caller, *given)
    (review,) = await page.studio.reviews.list_reviews(owner=page.owner)
    assert [take.job_id for take in review.takes] == made[:11]
    await page.reviews.add_takes(
        page.caller, OfReview(review=review.id), "", f"{failed[0]} {made[11]}"
    )
    whole = await page.studio.reviews.get(review.id, owner=page.owner)
    assert [take.job_id for take in whole.takes] == made
    many = " ".join([*made, await page.add(50)])
    with pytest.raises(InvalidInput, match="You selected 13 takes"):
        await page.reviews.create_review(page.caller, "Again?", "", "never", many, False)


async def test_takes_are_moved_where_somebody_says_and_only_there(page):
    made = [await page.add(number, project="Spring") for number in range(2)]
    library, chosen = page.studio.library, " ".join(made)

    async def projects():
        return [one.project for one in await library.list_by_ids(made, owner=page.owner)]

    with pytest.raises(InvalidInput, match="project first"):
        await page.takes.move(page.caller, Labels(), chosen)
    many = " ".join(ids.new_job_id() for _ in range(CHOSEN_LIMIT + 1))
    with pytest.raises(InvalidInput, match="At most 500"):
        await page.takes.move(page.caller, Labels(project="Autumn"), many)
    assert await projects() == ["Spring", "Spring"]
    await page.takes.move(page.caller, Labels(project="Autumn"), chosen)
    assert await projects() == ["Autumn", "Autumn"]
    await page.takes.move(page.caller, Labels(project=""), chosen)
    assert await projects() == ["", ""]
    assert await library.list_by_ids([*made, "no id"], owner="somebody else") == []
