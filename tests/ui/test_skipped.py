"""What an event skips, and what it gives, reaches the browser as Gradio would send it."""

import asyncio
from copy import deepcopy
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from wan.storage.uploads import UploadFolder
from wan.ui.gradio_patches import making_no_server
from wan.ui.inputs import Page

SKIP = {"__type__": "update"}
made: list[str] = []


class Noted(gr.Textbox):
    """A text box of which each one is counted that is made."""

    is_template = True

    def __init__(self, **options: Any) -> None:
        made.append(str(options.get("label")))
        super().__init__(**options)


@pytest.fixture(params=[Page, gr.Blocks])
async def blocks(request: pytest.FixtureRequest, tmp_path: Path) -> gr.Blocks:
    """A page of ours, and for comparison one of Gradio's; its first event has three outputs, its
    second one.
    """
    ours = {"opened": asyncio.Event(), "uploads": UploadFolder(tmp_path)}
    with making_no_server(), request.param(**ours if request.param is Page else {}) as page:
        parts = [Noted(label=str(number)) for number in range(3)]
        for outputs in (parts, parts[:1]):
            gr.Button().click(lambda: None, None, outputs)
    made.clear()
    return page


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (["a", gr.skip(), "c"], ["a", SKIP, "c"]),
        ((gr.skip(), gr.skip(), "c"), [SKIP, SKIP, "c"]),
        ([gr.skip(), gr.skip(), None], [SKIP, SKIP, None]),
        ([gr.skip()] * 3, [SKIP, SKIP, SKIP]),
        (gr.skip(), [SKIP, SKIP, SKIP]),
        (
            [gr.skip(), gr.update(value=["x"], lines=2), gr.update(visible=False)],
            [SKIP, {"value": "['x']", "lines": 2} | SKIP, {"visible": False} | SKIP],
        ),
    ],
)
async def test_of_several_outputs(blocks: gr.Blocks, given: Any, sent: list[Any]):
    assert await blocks.postprocess_data(blocks.fns[0], deepcopy(given), None) == sent


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("given", "sent"), [("a", ["a"]), (gr.skip(), [SKIP]), (["a", "b"], ["['a', 'b']"])]
)
async def test_of_one_output(blocks: gr.Blocks, given: Any, sent: list[Any]):
    assert await blocks.postprocess_data(blocks.fns[1], given, None) == sent


@pytest.mark.anyio
async def test_too_few_are_refused(blocks: gr.Blocks):
    with pytest.raises(ValueError, match="enough output values"):
        await blocks.postprocess_data(blocks.fns[0], ["a", gr.skip()], None)


@pytest.mark.anyio
@pytest.mark.parametrize("blocks", [Page], indirect=True)
async def test_nothing_is_made_of_what_is_skipped(blocks: gr.Blocks):
    await blocks.postprocess_data(blocks.fns[0], ["a", gr.skip(), gr.update(lines=2)], None)
    assert made == ["2"]
