"""The components: whatever people and the service write comes out of every template as text, and
Gradio is given no template of its own to fill.
"""

import re
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from markupsafe import escape

from tests.ui.test_cards import event
from wan.domain.jobs import JobState
from wan.domain.messages import Message
from wan.ui import components, page
from wan.ui.components import library, lines, prompt
from wan.ui.components.cast import Tile, show_cast
from wan.ui.components.component import Component
from wan.ui.components.header import show_header
from wan.ui.components.stage import show_idle, show_job, show_takes
from wan.ui.components.status import refusal_card
from wan.ui.takes import Mark
from wan.web.templating import TEMPLATES

EVIL = [
    "${1+1}",
    "{{1+1}}",
    "{% raw %}",
    "{#no#}",
    "#{1+1}",
    "`${1+1}`",
    "\\u003cscript\\u003e",
    "$&$1\\1\\\\",
    "'\"",
    "<script>alert(1)</script>",
    "</p></section><img src=x onerror=alert(1)>",
    "{prompt}{0}{language}",
    "%s%(text)s",
    "&lt;script&gt;",
]
TEMPLATE_FILES = [*Path(components.__file__).parent.glob("*.html"), *TEMPLATES.rglob("*.html")]


def all_components() -> list[type[Component]]:
    """Every subclass, wherever the page has one."""
    assert page
    found, waiting = [], [Component]
    while waiting:
        found.append(waiting.pop())
        waiting += found[-1].__subclasses__()
    return found


def told(evil: str) -> Message:
    """A message with such a text in it."""
    return Message.of("task_failed", code=evil, message=evil, advice=evil)


def shown(evil: str) -> dict[str, str]:
    """What the page makes of a text, by what shows it."""
    job: dict[str, Any] = {
        "request": {"prompt": evil},
        "task_id": evil,
        "request_id": evil,
        "code": evil,
        "model": evil,
        "video_key": evil,
        "original_key": "another",
        "references": [],
        "adjustments": [told(evil)],
    }
    states = {state: event(state, **job, said=told(evil)) for state in JobState}
    tiles = [
        Tile("image", evil, b"webp", [told(evil)]),
        Tile("refused", evil, notes=[told(evil)]),
    ]
    return {
        **{f"job {state}": show_job("en", one, note=told(evil)) for state, one in states.items()},
        "job that asks": show_job("zh", states[JobState.EXPIRED], asks=told(evil)),
        **{
            f"takes {state}": show_takes("en", [(one, Mark.BEFORE), (one, Mark.ASKS)])
            for state, one in states.items()
        },
        **{f"library {state}": library.show_job("en", one) for state, one in states.items()},
        "library note": library.show_note("en", told(evil), of_job=evil, of_open=evil),
        "refusal": show_idle("en", "image", refusal_card(told(evil), evil)),
        "cast": show_cast("en", tiles),
        "header": show_header("en", evil, notes=[told(evil)]),
        "answer": lines.answer_of("en", told(evil)),
        "sound": lines.sound_hint("en", 1.0, [told(evil)]) + lines.refusal("en", told(evil), evil),
        "quiet": lines.quiet("en", "model", evil),
        "past prompts": prompt.show_past("en", [evil], evil),
        "no past prompts": prompt.show_no_past("en", told(evil), evil),
    }


@pytest.mark.parametrize("kind", all_components(), ids=lambda kind: kind.__name__)
def test_gradio_fills_no_template_of_ours(kind):
    one, plain = kind(), gr.HTML()
    assert one.html_template == plain.html_template == "${value}"
    assert one.css_template == plain.css_template == ""
    assert set(kind.event_names) <= {str(name) for name in re.findall(r"\w+", one.js_on_load or "")}


@pytest.mark.parametrize("name", ["error", "every", "visible"])
def test_an_event_takes_the_place_of_nothing_of_gradios(name):
    named = type("Named", (Component,), {"event_names": (name,)})
    with pytest.raises(ValueError, match=f"of this name: {name}"):
        named()


@pytest.mark.parametrize("evil", EVIL)
def test_whatever_is_written_comes_out_as_text(evil):
    for where, html in shown(evil).items():
        assert "<script" not in html, where
        assert "<img src=x" not in html, where
        assert str(escape(evil)) in html or str(escape(told(evil).values["code"])) in html, where


def test_no_template_lets_html_through():
    """But what stands in the template itself, in quotes."""
    assert TEMPLATE_FILES
    for file in TEMPLATE_FILES:
        written = file.read_text(encoding="utf-8")
        assert not re.search(r"\b(autoescape|Markup)\b|(?<!['\"])\s*\|\s*safe\b", written), file
