"""The HTML of the page's parts: jinja2 templates, which escape whatever people and the service
write.
"""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from wan.domain.messages import Language, t
from wan.ui.text import as_it_is, text, text_of

_LINE_BREAK = re.compile(r"(?<=[>}])\s*\n\s*|\s*\n\s*(?=[<{])")


class _Loader(FileSystemLoader):
    """Reads templates without the line breaks between their tags, which a browser would show as
    spaces.
    """

    def get_source(
        self, environment: Environment, template: str
    ) -> tuple[str, str, Callable[[], bool]]:
        source, name, is_current = super().get_source(environment, template)
        return _LINE_BREAK.sub("", source).strip().replace("\n", " "), name, is_current


_ENVIRONMENT = Environment(
    loader=_Loader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined
)
_ENVIRONMENT.globals["as_it_is"] = as_it_is


def render(template: str, language: Language, /, **values: Any) -> Markup:
    """Fill a template, named by its file. In it `text(key, …)` and `text_of(message)` give texts of
    the language as HTML, `t(key, …)` as plain text, and `as_it_is(value)` what no translator may
    touch.
    """
    spoken = {
        "language": language,
        "text": partial(text, language),
        "text_of": partial(text_of, language),
        "t": partial(t, language),
    }
    return Markup(_ENVIRONMENT.get_template(template).render(**spoken, **values))  # noqa: S704 - it is escaped
