"""HTML from jinja2 templates, which escape whatever people and the service write."""

import re
import time
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

from jinja2 import BytecodeCache, Environment, FileSystemLoader, StrictUndefined
from jinja2.bccache import Bucket
from markupsafe import Markup

from wan.domain.messages import Language, t
from wan.web.facts import as_clock, differences, frame_rate, measurements, shape
from wan.web.languages import TAGS
from wan.web.text import as_it_is, text, text_of

TEMPLATES = Path(__file__).parent / "templates"
"""The templates that pages behind a review link and the app's page share."""
_BETWEEN_TAGS = re.compile(r"(?<=[>}])\s*\n\s*|\s*\n\s*(?=[<{])")
_LINE_BREAK = re.compile(r"\s*\n\s*")
_FOLDERS: list[tuple[Path, ...]] = []  # of every renderer
_BREATH = 0.01  # seconds between two templates that are compiled ahead


class _Loader(FileSystemLoader):
    """Reads templates without the line breaks between their tags, which a browser would show as
    spaces; those within a tag or a text become one space.
    """

    def get_source(
        self, environment: Environment, template: str
    ) -> tuple[str, str, Callable[[], bool]]:
        source, name, is_current = super().get_source(environment, template)
        plain = _LINE_BREAK.sub(" ", _BETWEEN_TAGS.sub("", source).strip())
        return plain, name, is_current


class _Compiled(BytecodeCache):
    """What templates were compiled to, for all languages."""

    def __init__(self) -> None:
        self._codes: dict[str, Any] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Put a template's code where jinja2 looks for it."""
        bucket.code = self._codes.get(bucket.key)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep the code of a template."""
        self._codes[bucket.key] = bucket.code


_COMPILED = _Compiled()


@cache
def _environment(folders: tuple[Path, ...], language: Language) -> Environment:
    """The templates of some folders, spoken in one language."""
    environment = Environment(
        loader=_Loader(folders),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        bytecode_cache=_COMPILED,
    )
    environment.globals |= {
        "language": language,
        "text": partial(text, language),
        "text_of": partial(text_of, language),
        "t": partial(t, language),
        "as_it_is": as_it_is,
        "t_in": t,
        "tags": TAGS,
        "as_clock": as_clock,
        "frame_rate": frame_rate,
        "measurements": partial(measurements, language),
        "shape": shape,
        "differences": differences,
    }
    return environment


def renderer(*folders: Path) -> Callable[..., Markup]:
    """Return the `render` of templates that stand in these folders."""
    _FOLDERS.append(folders)

    def render(template: str, language: Language, /, **values: Any) -> Markup:
        """Fill a template, named by its file. In it, and in macros that it imports, `text(key, …)`
        and `text_of(message)` give texts of the language as HTML, `t(key, …)` as plain text, and
        `as_it_is(value)` what no translator may touch.
        """
        filled = _environment(folders, language).get_template(template).render(**values)
        return Markup(filled)  # noqa: S704 - it is escaped

    return render


render = renderer(TEMPLATES)


def compile_templates() -> None:
    """Compile every template, which else the first event does that needs it, on the event loop. A
    little at a time, in a thread: it takes half a second. Blocks.
    """
    for folders in _FOLDERS:
        for language in TAGS:
            environment = _environment(folders, language)
            for name in environment.list_templates(extensions=["html"]):
                environment.get_template(name)
                time.sleep(_BREATH)


def render_macro(name: str, language: Language, /, *values: Any, **named: Any) -> Markup:
    """Fill one macro of `macros.html`."""
    macros = _environment((TEMPLATES,), language).get_template("macros.html").module
    return Markup(getattr(macros, name)(*values, **named))  # noqa: S704 - it is escaped
