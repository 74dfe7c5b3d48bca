"""A plot as SVG, without a library: lines over a logarithmic axis, panels side by side."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT = 420, 300  # px of a panel
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 16, 40, 78  # px around what is drawn
_COLORS = ("#4f46e5", "#9ca3af", "#d97706")
_STYLE = "font: 12px system-ui, sans-serif; fill: #374151"


@dataclass(frozen=True)
class Line:
    """Points that belong together."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Panel:
    """One plot. across: what the horizontal axis counts."""

    title: str
    across: str
    lines: Sequence[Line]


def draw(panels: Sequence[Panel]) -> str:
    """Returns the SVG."""
    drawn = "\n".join(
        f'<g transform="translate({number * _WIDTH} 0)">{"".join(_draw(panel))}</g>'
        for number, panel in enumerate(panels)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH * len(panels)}" '
        f'height="{_HEIGHT}" style="{_STYLE}"><rect width="100%" height="100%" fill="white"/>'
        f"\n{drawn}\n</svg>\n"
    )


def _draw(panel: Panel) -> Iterator[str]:
    points = [point for line in panel.lines for point in line.points]
    low, high = (math.log10(of(x for x, _ in points)) for of in (min, max))
    top = _round_up(max(y for _, y in points))
    wide, tall = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def place(x: float, y: float) -> tuple[float, float]:
        across = (math.log10(x) - low) / ((high - low) or 1)
        return _LEFT + across * wide, _TOP + tall * (1 - y / top)

    yield f'<text x="{_LEFT}" y="20" font-weight="bold">{escape(panel.title)}</text>'
    for part in range(5):
        _, y = place(10**low, top * part / 4)
        yield f'<path d="M{_LEFT} {y:.1f}h{wide}" stroke="#e5e7eb"/>'
        yield f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{top * part / 4:g}</text>'
    for x in sorted({x for x, _ in points}):
        across, below = place(x, 0)
        yield f'<text x="{across:.1f}" y="{below + 16:.1f}" text-anchor="middle">{x:,g}</text>'
    yield (
        f'<text x="{_LEFT + wide / 2}" y="{_HEIGHT - _BOTTOM + 34}" '
        f'text-anchor="middle">{escape(panel.across)}</text>'
    )
    left = _LEFT
    for line, color in zip(panel.lines, _COLORS, strict=False):
        where = [place(x, y) for x, y in line.points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in where)
        yield f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>'
        for x, y in where:
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{color}"/>'
        yield f'<circle cx="{left + 4}" cy="{_HEIGHT - 18}" r="4" fill="{color}"/>'
        yield f'<text x="{left + 12}" y="{_HEIGHT - 14}">{escape(line.name)}</text>'
        left += 26 + 6.2 * len(line.name)


def _round_up(high: float) -> float:
    """Returns a round number that is not below this one."""
    step = 10 ** math.floor(math.log10(max(high, 1e-9)))
    return next(step * times for times in (1, 2, 4, 6, 8, 10) if step * times >= high)
