"""Where it is said that a form could not be filled from a video on a stage."""

import time

import gradio as gr
import pytest

from tests.database.test_store import job
from wan.domain import ids
from wan.domain.errors import JobNotFound
from wan.ui import connection, image, reuse_settings
from wan.ui.caller import Caller, owner_of
from wan.ui.stage import make_viewers

pytestmark = pytest.mark.anyio


async def test_a_late_refusal_leaves_the_stage_to_what_was_begun_meanwhile(studio, write):
    ann = gr.Request(username="ann")
    with gr.Blocks():
        tabs = gr.Tabs()
        run, *_ = image.build("en", studio, connection.build("en", studio), make_viewers())
    reader = reuse_settings._StageReader("en", tabs, {image.TAB: run}, run)
    caller, stays = Caller(studio, ann, ""), gr.skip()
    view, note, *form = await reader._refuse(caller, JobNotFound(), "one-that-was-shown")
    assert "wan-card bad" in view
    assert note == ""
    assert form == [stays] * len(form)
    begun = job(id=ids.new_job_id(), owner=owner_of(studio, "", ann), created_at=time.time() + 60)
    await write(begun)
    view, note, *_ = await reader._refuse(caller, JobNotFound(), "one-that-was-shown")
    assert view == stays
    assert "wan-found" in note
    assert run.refuse_act(caller, JobNotFound(), "one-that-was-shown")[1] == stays
