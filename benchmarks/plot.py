"""A plot of curves over logarithmic axes as SVG: figures that span decades, in a file that a diff can read."""

from collections.abc import Sequence
from math import ceil, floor, log10

import msgspec

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 720, 420, 80, 150, 40, 56
_COLOURS = ("#1b6ca8", "#c8553d", "#588157", "#7b5ea7", "#8a6d3b")
_STYLE = "text{font:13px sans-serif;fill:#222} .grid{stroke:#ddd} polyline{fill:none;stroke-width:2}"


class Plot(msgspec.Struct, frozen=True):
    """Curves by name, each of (x, y) above zero in the order of x."""

    title: str
    x: str
    y: str
    curves: dict[str, list[tuple[float, float]]]


def svg(plot: Plot) -> str:
    points = [point for curve in plot.curves.values() for point in curve]
    x_low, x_high = _decades([x for x, _ in points])
    y_low, y_high = _decades([y for _, y in points])
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM

    def across(x: float) -> float:
        return round(_LEFT + (log10(x) - x_low) / (x_high - x_low) * (right - _LEFT), 1)

    def down(y: float) -> float:
        return round(bottom - (log10(y) - y_low) / (y_high - y_low) * (bottom - _TOP), 1)

    parts = [_text(_LEFT, 24, plot.title, "start"), _text((_LEFT + right) / 2, _HEIGHT - 12, plot.x)]
    parts.append(f'<g transform="translate(18 {(_TOP + bottom) / 2}) rotate(-90)">{_text(0, 0, plot.y)}</g>')
    for power in range(x_low, x_high + 1):
        at = across(10.0**power)
        parts += [_grid(at, _TOP, at, bottom), _text(at, bottom + 18, f"{10**power:,}")]
    for power in range(y_low, y_high + 1):
        at = down(10.0**power)
        parts += [_grid(_LEFT, at, right, at), _text(_LEFT - 6, at + 4, f"{10.0**power:,g}", "end")]
    for number, (name, curve) in enumerate(plot.curves.items()):
        colour, places = _COLOURS[number % len(_COLOURS)], [(across(x), down(y)) for x, y in curve]
        line = " ".join(f"{x},{y}" for x, y in places)
        parts.append(f'<polyline stroke="{colour}" points="{line}"/>')
        parts += [f'<circle fill="{colour}" cx="{x}" cy="{y}" r="3.5"/>' for x, y in places]
        parts.append(_text(places[-1][0] + 10, places[-1][1] + 4, name, "start"))
    size = f'width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n<style>{_STYLE}</style>\n'
    return head + '<rect width="100%" height="100%" fill="white"/>\n' + "\n".join(parts) + "\n</svg>\n"


def _decades(values: Sequence[float]) -> tuple[int, int]:
    """The powers of ten around the values, at least one decade apart."""
    low = floor(log10(min(values)))
    return low, max(low + 1, ceil(log10(max(values))))


def _text(x: float, y: float, text: str, anchor: str = "middle") -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}">{text}</text>'


def _grid(x: float, y: float, to_x: float, to_y: float) -> str:
    return f'<line class="grid" x1="{x}" y1="{y}" x2="{to_x}" y2="{to_y}"/>'
