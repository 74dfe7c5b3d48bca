"""What an untouched form costs: it stands there when the page comes, before anything is asked."""

from time import monotonic
from typing import Any

import gradio as gr

from wan.domain.catalog import Model
from wan.domain.messages import Language
from wan.service.quotes import Quote
from wan.service.studio import Studio
from wan.ui.components.price import price_line

_FRESH = 60.0  # seconds for which an answer stands: pages are opened more often than runs end


class FirstPrice:
    """The price of an untouched form."""

    def __init__(self, language: Language, studio: Studio, model: Model) -> None:
        self._language, self._studio = language, studio
        self._asked: dict[str, Any] = {
            "model": model.name,
            "size": model.default_size,
            "duration": model.default_duration,
            "audio": bool(model.audio_flag),
        }
        self._shown = self._newest = studio.quotes.estimate(**self._asked)
        self._next_look = 0.0
        self.by_tier = self._shown.by_tier
        """The price in each resolution tier."""
        self.line = self._draw(self._shown)
        """The HTML of the line above *Generate*."""

    async def update(self) -> Any:
        """Return the line with how long the last runs took, where that is another one. It may be a
        minute old.
        """
        if monotonic() >= self._next_look:
            self._next_look = monotonic() + _FRESH
            self._newest = await self._studio.submission.quote(**self._asked)
        return gr.skip() if self._newest == self._shown else self._draw(self._newest)

    def _draw(self, quote: Quote) -> str:
        return price_line(self._language, quote.price, quote.usual, simulated=quote.simulated)
