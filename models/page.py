"""A backtest as one HTML file: figures, curves as inline SVG, in English and Arabic; it loads nothing from anywhere."""

import math
from collections.abc import Mapping, Sequence
from html import escape

import msgspec

from models.measures import Curves, Group, Measures

Points = Sequence[tuple[float, float]]

_SIDE, _LEFT, _TOP = 260, 52, 12
_BOTTOM = _TOP + _SIDE
_SHOWN = 0.00005  # a smaller weight would be written as nothing
_COLOURS = ("#1b6ca8", "#c8553d")
STYLE = """
:root{color-scheme:light}
body{font:16px/1.6 "Noto Sans","Noto Sans Arabic","Segoe UI",Tahoma,"DejaVu Sans",sans-serif;color:#1d2330;
background:#fff;max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:0}.head{margin:2rem 0 .5rem}
.two{display:flex;gap:0 1rem;justify-content:space-between;flex-wrap:wrap}.two [dir=rtl]{margin-left:auto}
table{border-collapse:collapse;width:100%}td,th{padding:.3rem .6rem;border-bottom:1px solid #ddd;overflow-wrap:anywhere}
th{text-align:start;font-weight:600}td.n,th.n{text-align:end;direction:ltr;font-variant-numeric:tabular-nums;overflow-wrap:normal}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(20rem,100%),1fr));gap:1.5rem 1rem}
figure{margin:0}figcaption{font-size:.9rem}svg{width:100%;height:auto;direction:ltr}
svg text{font:11px "Noto Sans","Segoe UI",Tahoma,"DejaVu Sans",sans-serif;fill:#444}
.w{width:40%}@media(max-width:34rem){.w{width:20%}td,th{padding:.3rem}}.b{height:.7rem;background:#1b6ca8}
.grid{stroke:#e3e3e3}.even{stroke:#999;stroke-dasharray:4 3}polyline{fill:none;stroke-width:2}
""".replace("\n", "")

NAMES: dict[str, tuple[str, str]] = {
    "auc": ("area under the ROC curve", "المساحة تحت منحنى ROC"),
    "average_precision": ("average precision", "متوسط الدقة"),
    "precision_at_100_per_day": ("precision among the day's 100 highest scores", "الدقة بين أعلى 100 درجة في اليوم"),
    "card_precision_at_100": ("the same over customers", "الدقة بين أعلى 100 عميل في اليوم"),
    "recall_at_1pct_fpr": ("frauds found at 1 % false positives", "نسبة الاحتيال المكتشف عند 1٪ إنذارات كاذبة"),
    "value_recall": ("fraud's amount found in 1 % of orders", "نسبة مبالغ الاحتيال المكتشفة في 1٪ من الطلبات"),
    "calibration_error": ("expected calibration error", "خطأ المعايرة المتوقع"),
    "brier": ("Brier score", "درجة براير"),
    "orders": ("orders tested", "الطلبات المختبرة"),
    "frauds": ("frauds among them", "عمليات الاحتيال بينها"),
}


ABOUT = {
    "orders": "الطلبات",
    "visits": "الزيارات",
    "labels": "التصنيفات",
    "learned from": "تعلّم من",
    "training": "فترة التدريب",
    "test": "فترة الاختبار",
    "columns": "الأعمدة",
    "seed, fingerprint of the scores": "البذرة وبصمة الدرجات",
}


class Page(msgspec.Struct, frozen=True):
    """What is shown. `facts` are name and text, `notes` what is to be known about the data, `weights` name and number:
    how much a column moved scores.
    """

    title: str
    facts: list[tuple[str, str]]
    measures: Measures
    orders: int
    frauds: int
    curves: Curves
    groups: list[Group]
    notes: Sequence[str]
    weights: list[tuple[str, float]]


def html(page: Page) -> str:
    figures = msgspec.structs.asdict(page.measures) | {"orders": page.orders, "frauds": page.frauds}
    rows = "".join(_row(name, value) for name, value in figures.items())
    about = "".join(
        f"<tr><th>{escape(name)}</th><td dir=auto>{escape(text)}</td>"
        f"<th class=ar lang=ar dir=rtl>{ABOUT.get(name, '')}</th></tr>"
        for name, text in page.facts
    )
    notes = "".join(f"<li dir=auto>{escape(note)}</li>" for note in page.notes) or "<li>none · لا شيء</li>"
    largest = max((weight for _, weight in page.weights), default=1.0) or 1.0
    weights = "".join(
        f"<tr><td><bdi>{escape(name)}</bdi></td><td class=n>{weight:.4f}</td><td class=w>"
        f'<div class=b style="width:{100 * max(0.0, weight) / largest:.1f}%"></div></td></tr>'
        for name, weight in page.weights
        if weight > _SHOWN
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>{escape(page.title)}</title><style>{STYLE}</style></head><body>
<div class=two><h1>Backtest</h1><h1 lang=ar dir=rtl>اختبار على بيانات سابقة</h1></div>
<p dir=auto>{escape(page.title)}</p><table>{about}</table>
{heading("Figures", "الأرقام")}
<table><tr><th>measure</th><th class=n>value <bdi lang=ar>القيمة</bdi></th>
<th lang=ar dir=rtl>المقياس</th></tr>{rows}</table>
{heading("Curves", "المنحنيات")}<div class=plots>{"".join(_plots(page))}</div>
{heading("What moved the scores most", "أكثر ما أثر في الدرجات")}
<table><tr><th>column <bdi lang=ar>العمود</bdi></th>
<th class=n>mean change of a score <bdi lang=ar>متوسط تغيّر الدرجة</bdi></th><th></th></tr>{weights}</table>
{heading("About the data", "عن البيانات")}<ul>{notes}</ul>
</body></html>
"""


def heading(english: str, arabic: str) -> str:
    """One heading in both languages, side by side."""
    return f'<div class="two head"><h2>{english}</h2><h2 lang=ar dir=rtl>{arabic}</h2></div>'


def _row(name: str, value: float | None) -> str:
    english, arabic = NAMES[name]
    shown = "–" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:.4f}"
    return f"<tr><td>{english}</td><td class=n>{shown}</td><td lang=ar dir=rtl>{arabic}</td></tr>"


def _plots(page: Page) -> list[str]:
    curves, share = page.curves, page.frauds / page.orders
    even, largest = ((0.0, 0.0), (1.0, 1.0)), max([g.score for g in page.groups] + [g.fraud for g in page.groups])
    scale = _rounded_up(largest)
    groups = [(group.score / scale, group.fraud / scale) for group in page.groups]
    return [
        _plot(("ROC", "منحنى ROC"), ("false positives", "found"), {"": curves.roc}, even),
        _plot(
            ("Precision and recall", "الدقة والاستدعاء"),
            ("found", "precision"),
            {"": curves.precision},
            ((0.0, share), (1.0, share)),
        ),
        _plot(
            ("Found by share of orders looked at", "المكتشف بحسب نسبة الطلبات المفحوصة"),
            ("orders looked at", "found"),
            {"frauds": curves.found, "their amount": curves.value},
            even,
        ),
        _plot(
            ("Calibration: groups of as many orders each", "المعايرة: مجموعات متساوية العدد"),
            ("score", "share of fraud"),
            {"": groups},
            even,
            dots=True,
            top=scale,
        ),
    ]


def _plot(
    title: tuple[str, str],
    axes: tuple[str, str],
    lines: dict[str, Points],
    reference: Points,
    dots: bool = False,
    top: float = 1.0,
) -> str:
    english, arabic = title
    return (
        f"<figure>{drawing(english, axes, lines, reference, dots, top)}"
        f"<figcaption class=two><span>{english}</span><span lang=ar dir=rtl>{arabic}</span></figcaption></figure>"
    )


def drawing(
    label: str,
    axes: tuple[str, str],
    lines: Mapping[str, Points],
    reference: Points,
    dots: bool = False,
    top: float = 1.0,
    style: str = "",
) -> str:
    """An SVG of points that are shares of the axes, whose ends are written as `top`.

    One that stands by itself brings its `style`.
    """
    parts = [_line(0.25 * n, 0.0, 0.25 * n, 1.0) + _line(0.0, 0.25 * n, 1.0, 0.25 * n) for n in range(5)]
    parts += [_text(_x(0.5 * n), _BOTTOM + 14, f"{0.5 * n * top:.3g}", "end" if n == 2 else "middle") for n in range(3)]
    parts += [_text(_LEFT - 5, _y(0.5 * n) + 4, f"{0.5 * n * top:.3g}", "end") for n in range(3)]
    parts.append(f'<polyline class="even" points="{_points(reference)}"/>')
    for number, (name, line) in enumerate(lines.items()):
        colour = _COLOURS[number]
        parts.append(f'<polyline stroke="{colour}" points="{_points(line)}"/>')
        if dots:
            parts += [f'<circle fill="{colour}" cx="{_x(x)}" cy="{_y(y)}" r="3"/>' for x, y in line]
        if name:
            parts.append(
                f'<rect x="{_LEFT + 130}" y="{_BOTTOM - 34 + 16 * number}" width="9" height="9" fill="{colour}"/>'
            )
            parts.append(_text(_LEFT + 144, _BOTTOM - 26 + 16 * number, name, "start"))
    parts.append(_text(_x(0.5), _BOTTOM + 28, axes[0], "middle"))
    parts.append(f'<g transform="translate(11 {_y(0.5)}) rotate(-90)">{_text(0, 0, axes[1], "middle")}</g>')
    size = f'viewBox="0 0 {_LEFT + _SIDE + 12} {_BOTTOM + 34}"'
    head = f'<svg role="img" aria-label="{label}" xmlns="http://www.w3.org/2000/svg" {size}>'
    return f"{head}{style}{''.join(parts)}</svg>"


def _rounded_up(value: float) -> float:
    """An axis's end: the next number of one digit, 1 at most and for nothing."""
    if value <= 0.0:
        return 1.0
    step = 10.0 ** math.floor(math.log10(value))
    return min(1.0, math.ceil(value / step - 1e-9) * step)


def _x(share: float) -> float:
    return round(_LEFT + _SIDE * share, 1)


def _y(share: float) -> float:
    return round(_BOTTOM - _SIDE * share, 1)


def _points(line: Points) -> str:
    return " ".join(f"{_x(x)},{_y(y)}" for x, y in line)


def _line(x: float, y: float, to_x: float, to_y: float) -> str:
    return f'<line class="grid" x1="{_x(x)}" y1="{_y(y)}" x2="{_x(to_x)}" y2="{_y(to_y)}"/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'
