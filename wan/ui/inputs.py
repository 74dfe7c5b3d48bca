"""What handlers are given: exactly the types which their components give on the page, whatever a forged form holds.

Gradio's own checks let much through (a dict for a checkbox, a list for a dropdown, NaN for a slider, text of any length), and what they do find ends
as a traceback in the log for each request.
"""

import asyncio
import math
from collections.abc import Iterable
from typing import Any

import gradio as gr
from gradio.blocks import Block
from gradio.components.api_component import Api

from wan.ui.text import say

_LONGEST = 20_000  # characters; five addresses of 2,048 and more than any prompt
_MOST = 20  # files

_TYPES: dict[type[Block], tuple[type, ...]] = {
    gr.Textbox: (str, type(None)),
    gr.Dropdown: (str,),
    gr.Radio: (str,),
    gr.Checkbox: (bool,),
    gr.Slider: (int, float),
    gr.BrowserState: (str,),
    gr.Image: (str, type(None)),
    gr.File: (list, type(None)),
    gr.UploadButton: (str, type(None)),
}


class Page(gr.Blocks):
    """Blocks whose handlers can rely on the types of what they get, and on an open studio; other input is refused in one sentence.

    opened: set when the studio can be asked; whoever comes earlier waits for it.
    """

    def __init__(self, *given: Any, opened: asyncio.Event, **more: Any) -> None:
        super().__init__(*given, **more)
        self._opened = opened

    async def preprocess_data(self, block_fn: Any, inputs: Any, state: Any, *more: Any) -> list[Any]:
        """As Gradio does it. Raises gr.Error, which goes to the page and not to the log."""
        await self._opened.wait()
        _keep_readers(block_fn.inputs, state)
        try:
            values: list[Any] = await super().preprocess_data(block_fn, inputs, state, *more)
        except gr.Error as error:
            error.print_exception = False
            raise
        except Exception:  # noqa: BLE001 - pydantic's, PIL's, the file system's: all of them mean a form that no page sent
            raise _refusal() from None
        if not all(is_plausible(block, value) for block, value in zip(block_fn.inputs, values, strict=True)):
            raise _refusal()
        return values


def _keep_readers(blocks: Iterable[Block], state: Any) -> None:
    """Reads what comes from a component by its `preprocess` also where an update (`gr.update`) has put a fresh one of Gradio's in its place."""
    for block in blocks:
        if state is not None and "preprocess" in vars(block):
            state[block._id].preprocess = vars(block)["preprocess"]


def is_plausible(block: Block, value: object) -> bool:
    """Whether a component of this kind can have given this value."""
    if isinstance(block, Api):  # of endpoints for programs: the requests check what they are given, field by field
        return True
    types = next((types for kind, types in _TYPES.items() if isinstance(block, kind)), ())
    if types and (not isinstance(value, types) or (isinstance(value, bool) and bool not in types)):
        return False
    if isinstance(value, float):
        return math.isfinite(value)
    return not isinstance(value, str | list) or len(value) <= (_LONGEST if isinstance(value, str) else _MOST)


def _refusal() -> gr.Error:
    return gr.Error(f"{say('form_bad', 'en')} {say('form_bad', 'zh')}", print_exception=False)
