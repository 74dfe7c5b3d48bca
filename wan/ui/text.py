"""The page's strings for Gradio's own translation of labels, which follows the language of the
page, at once and in the middle of a run.

Cards carry both languages and the page shows the one of `<html lang>`, see `cards.py`.
"""

from gradio.i18n import I18n, I18nData

from wan.domain.messages import t

_PREFIX = "wan_"  # Gradio has messages of its own under names such as "image"; they would win
_labels: set[str] = set()  # keys that the page has been built with


def translations() -> I18n:
    """Every label of the page, to be given to `launch`."""
    return I18n(
        **{
            language: {_PREFIX + key: t(language, key) for key in sorted(_labels)}
            for language in ("en", "zh")
        }
    )


def label(key: str) -> I18nData:
    """A string that Gradio's frontend puts into the page's language: for labels, placeholders,
    buttons and choices.
    """
    _labels.add(key)
    return I18nData(_PREFIX + key)
