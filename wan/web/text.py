"""Strings of the page as HTML: in one language, with whatever no translator may touch marked.

Text from people and from the service becomes HTML here and in templates only: `Markup.format`
escapes every value that is not Markup itself.
"""

from collections.abc import Mapping

from markupsafe import Markup, escape

from wan.domain.fields import label_of
from wan.domain.messages import Language, Message, t, template

_LABELS = {  # controls that are no field of a request, by the keys of their labels
    "video": "recall",
    "title": "review_title",
    "note": "review_note",
    "search": "library_search",
    "name": "library_name",
    "project": "library_project",
    **{name: name for name in ("takes", "key", "region", "workspace")},
}
_PLAINER = ("image_missing", "references_missing")
"""Sentences in which the service's own words stand too; the page has plainer ones."""
_AS_IT_IS = frozenset({"price", "each", "budget", "spent", "seed", "task_id"})
"""Values that a browser's translation must leave alone, as it would write their digits and signs in
its own way.
"""


def text(language: Language, key: str, /, **values: object) -> Markup:
    """A string of the page."""
    return _fill(template(language, key), values)


def text_of(language: Language, message: Message) -> Markup:
    """A message as HTML. A field that it names is called as its label on the page."""
    field = str(message.values.get("field"))
    label = label_of(field) or _LABELS.get(field)
    values = message.values | ({"field": t(language, label)} if label else {})
    key = f"page_{message.key}" if message.key in _PLAINER else message.key
    return _fill(template(language, key), values)


def as_it_is(value: object) -> Markup:
    """What somebody wrote, or an id, a price, a number: a browser's translation leaves it alone."""
    return Markup('<span translate="no">{}</span>').format(value)


def _fill(template: str, values: Mapping[str, object]) -> Markup:
    """A template of ours with its values, of which those that no translator may touch say so."""
    marked = {
        name: as_it_is(value) if name in _AS_IT_IS and not isinstance(value, Markup) else value
        for name, value in values.items()
    }
    return escape(template).format(**marked)
