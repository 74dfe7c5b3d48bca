"""The line above Generate: what it costs and how long it usually takes."""

from markupsafe import Markup

from wan.domain.catalog import Price, format_money
from wan.domain.messages import Language
from wan.ui.components.component import Component
from wan.ui.components.templates import render


class PriceLine(Component):
    """The line, which a script may ask for anew."""

    event_names = ("ask",)


def price_line(
    language: Language,
    price: Price | None,
    usual: tuple[int, int],
    *,
    simulated: bool,
    takes: int = 1,
    clips: float = 0.0,
) -> Markup:
    """The line for takes that are made side by side. price: of each of them. usual: from how many
    seconds to how many a run takes. clips: the seconds of reference videos that the price includes.
    """
    low, high = usual
    unit = "minutes" if low >= 60 else "seconds"
    if unit == "minutes":
        low, high = round(low / 60), round(high / 60)
    return render(
        "price.html",
        language,
        price=price,
        total=price and format_money(price.amount * takes, price.currency),
        takes=takes,
        simulated=simulated,
        clips=f"{clips:g}" if price and clips else "",
        time=unit if low < high else f"about_{unit}",
        low=low,
        high=high,
    )
