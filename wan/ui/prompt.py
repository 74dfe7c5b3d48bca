"""The prompt, and what helps with it: the owner's past prompts, and ideas to add. The rest is done
by `assets/prompt.js` and, for the names of references, `assets/mentions.js`.
"""

import json
from typing import Any

import gradio as gr
from gradio.components import Component

from wan.domain import catalog
from wan.domain.fields import Makes
from wan.domain.messages import t
from wan.domain.requests import MOTION_WORDS
from wan.service import prompts
from wan.ui.caller import Caller, Events, explain
from wan.ui.components import prompt as html
from wan.ui.components.component import plain_html
from wan.ui.form_fields import add_by_prompt, element_id

_LENGTHS = json.dumps([(limit, len(words)) for limit, words in MOTION_WORDS])


def add_prompt(events: Events, tab: Makes) -> dict[str, Component]:
    """Add the prompt, what helps with it, and what becomes of it. Returns the fields."""
    language = events.language
    with gr.Column(elem_classes="wan-prompting"):
        prompt = gr.Textbox(
            label=t(language, "prompt"),
            placeholder=t(language, f"prompt_{tab}_placeholder"),
            lines=3,
            max_lines=10,
            elem_id=element_id(tab, "prompt"),
            elem_classes=f"wan-of-{catalog.PROMPT_LIMIT}",
        )
        tools = html.show_tools(language, mentions=tab == "reference")
        gr.HTML(tools, elem_classes="wan-prompt-tools", **plain_html)
        past = html.PastPrompts("", elem_id=element_id(tab, "past"), elem_classes="wan-past")
        fields = {"prompt": prompt, **add_by_prompt(language, tab)}
    _wire_past(events, past)
    return fields


def _wire_past(events: Events, past: html.PastPrompts) -> None:
    """Have the list filled whenever it is opened."""
    language = events.language

    async def list_past(caller: Caller, event: html.Opened) -> str:
        try:
            found = await prompts.list_past(caller.studio.stores, owner=caller.owner)
        except Exception as error:  # noqa: BLE001 - the script has to know of which opening
            why = explain(error, not_ready="past_not_ready")
            return html.show_no_past(language, why, event.number)
        return html.show_past(language, found, event.number)

    def refuse(_caller: Caller, error: Exception) -> str:
        return html.show_no_past(language, explain(error))

    events.connect(
        past.look,
        list_past,
        outputs=past,
        refuse=refuse,
        values=html.Opened,
        trigger_mode="multiple",
    )


def count_motion(tab: Makes, switch: Any, strength: Any) -> None:
    """Have the words for the motion, which are sent behind the prompt, counted with it."""
    told = f"(on, strength) => window.wanForms.addMotion('{tab}', on ? strength : null, {_LENGTHS})"
    gr.on([switch.change, strength.change], None, [switch, strength], js=told)
