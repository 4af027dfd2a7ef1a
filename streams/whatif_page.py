"""A what-if as one HTML file, in English and Arabic: tables, and the queue by hour as inline SVG; it loads nothing."""

from collections.abc import Sequence
from html import escape

from models.decisions import Reason
from models.page import STYLE, heading
from models.policy import ORDERED
from models.reasons import Language, text_of, told
from models.whatif import Changed, Comparison, Side
from streams.whatif import Report
from streams.whatif_shown import Load, about, loads, moment

OUTCOMES = {"approve": "قبول", "review": "مراجعة", "block": "حظر"}
_BY = {
    "label": ("by the labels known", "بحسب التصنيفات المعروفة"),
    "score_then": ("expected, by the scores of then", "متوقعة بحسب الدرجات السابقة"),
    "score_now": ("expected, by the scores of now", "متوقعة بحسب الدرجات الجديدة"),
}
_LABELS = {None: ("", ""), 0: ("genuine", "سليم"), 1: ("fraud", "احتيال")}
_WIDTH, _HEIGHT, _LEFT, _BARS = 900, 190, 44, 168  # of the queue's plot, in its own units
_OWN = (
    ".then{fill:#9aa3ad}.now{fill:#1b6ca8}.moved{background:#fdf3d8}td.ar{direction:rtl;text-align:start}"
    "small{color:#555}.wide{overflow-x:auto}ul{margin:0;padding-inline-start:1.1rem}svg.key{width:.7rem;height:.7rem}"
    "td{vertical-align:top}td.code,td small{white-space:nowrap}li small{display:block;white-space:normal}"
    ".ar li small{direction:ltr;text-align:end}"
)


def page(report: Report) -> str:
    compared = report.compared
    lines = "".join(f"<li>{escape(line)}</li>" for line in about(report))
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>What if</title><style>{STYLE}{_OWN}</style></head><body>
<div class=two><h1>What if</h1><h1 lang=ar dir=rtl>ماذا لو</h1></div>
<ul>{lines}</ul><p lang=ar dir=rtl>الطلبات: {compared.orders:,}، تتغير نتيجة {compared.changed:,} منها.</p>
{heading("Outcomes: then by row, now by column", "النتائج: السابقة في الصفوف والجديدة في الأعمدة")}
<div class=wide>{_outcomes(compared)}</div>
{heading("Money: what the outcomes cost, US dollars", "المال: كلفة النتائج بالدولار الأمريكي")}
{_money(compared)}
{heading("Messages to partners", "الرسائل إلى الشركاء")}
{_partners(report)}
{heading("Orders to review, over time (UTC)", "الطلبات المطلوب مراجعتها عبر الوقت")}
{_queue(compared)}
{heading("Reasons of flagged orders", "أسباب الطلبات المعلَّمة")}
<div class=wide>{_reasons(compared)}</div>
{heading("Orders whose outcome changes, the dearest first", "الطلبات التي تتغير نتيجتها، الأعلى مبلغًا أولًا")}
<div class=wide>{_orders(compared)}</div>
</body></html>
"""


def _outcome(name: str) -> str:
    return f"{name} <bdi lang=ar>{OUTCOMES[name]}</bdi>"


def _outcomes(compared: Comparison) -> str:
    cells = {(cell.then, cell.now): cell for cell in compared.cells}
    head = "".join(f"<th class=n>{_outcome(now)}</th>" for now in ORDERED)
    rows = ""
    for then in ORDERED:
        shown = ""
        for now in ORDERED:
            cell = cells[then, now]
            moved = " moved" if then != now and cell.orders else ""
            more = f"<br><small>{cell.usd:,.0f} USD<br>fraud {cell.frauds:,} of {cell.known:,} known</small>"
            shown += f'<td class="n{moved}">{cell.orders:,}{more if cell.orders else ""}</td>'
        total = sum(cells[then, now].orders for now in ORDERED)
        rows += f"<tr><th>{_outcome(then)}</th>{shown}<td class=n>{total:,}</td></tr>"
    sums = [sum(cells[then, now].orders for then in ORDERED) for now in ORDERED]
    foot = "".join(f"<td class=n>{each:,}</td>" for each in [*sums, compared.orders])
    every = "all <bdi lang=ar>الكل</bdi>"
    return f"<table><tr><th></th>{head}<th class=n>{every}</th></tr>{rows}<tr><th>{every}</th>{foot}</tr></table>"


def _money(compared: Comparison) -> str:
    rows = ""
    for each in compared.money:
        english, arabic = _BY[each.by]
        figures = [f"{each.then_usd:,.0f}", f"{each.now_usd:,.0f}", f"{each.now_usd - each.then_usd:+,.0f}"]
        rows += _row(english, [f"{each.orders:,}", *(figures if each.orders else ["–"] * 3)], arabic)
    return _table("costs", ["orders", "then", "now", "difference"], rows, "الكلفة")


def _partners(report: Report) -> str:
    names = ["then", "now", "more", "fewer", "otherwise"]
    rows = "".join(
        _row(f"{each.partner} v{each.version}", [f"{getattr(each, name):,}" for name in names])
        for each in report.partners
    )
    return _table("partner", names, rows)


_HEADS = {
    "orders": "الطلبات", "then": "سابقًا", "now": "الآن", "difference": "الفرق", "more": "زيادة", "fewer": "نقص",
    "otherwise": "بمضمون آخر", "partner": "الشريك",
}  # fmt: skip


def _head(name: str) -> str:
    return f"{name}<br><bdi lang=ar>{_HEADS[name]}</bdi>" if name in _HEADS else name


def _table(first: str, names: Sequence[str], rows: str, arabic: str | None = None) -> str:
    head = "".join(f"<th class=n>{_head(name)}</th>" for name in names)
    last = "" if arabic is None else f"<th lang=ar dir=rtl>{arabic}</th>"
    return f"<table><tr><th>{_head(first)}</th>{head}{last}</tr>{rows}</table>"


def _row(name: str, figures: Sequence[str], arabic: str | None = None) -> str:
    shown = "".join(f"<td class=n>{figure}</td>" for figure in figures)
    last = "" if arabic is None else f"<td class=ar lang=ar>{arabic}</td>"
    return f"<tr><td>{escape(name)}</td>{shown}{last}</tr>"


def _queue(compared: Comparison) -> str:
    unit, shown = loads(compared)
    most = max(max(each.reviews) for each in shown) or 1
    step = (_WIDTH - _LEFT) / len(shown)
    bars = "".join(_bar(at, each, step, most) for at, each in enumerate(shown))
    every = max(1, -(-len(shown) // 8))
    name = slice(11, 16) if unit == "hour" else slice(5, 10)
    marks = "".join(
        f'<text x="{_LEFT + step * at:.1f}" y="{_HEIGHT - 4}">{moment(each.from_ms)[name]}</text>'
        for at, each in enumerate(shown)
        if at % every == 0
    )
    scale = f'<text x="{_LEFT - 6}" y="14" text-anchor="end">{most:,}</text>'
    base = f'<line class="grid" x1="{_LEFT}" y1="{_BARS}" x2="{_WIDTH}" y2="{_BARS}"/>'
    times = compared.review_hours_then, compared.review_hours_now
    return (
        f'<figure><svg role="img" aria-label="Orders to review" xmlns="http://www.w3.org/2000/svg" '
        f'viewBox="0 0 {_WIDTH} {_HEIGHT}">{base}{bars}{scale}{marks}</svg><figcaption class=two>'
        f"<span>by {unit}: {_key('then')} then, {times[0]:,.1f} hours of work; "
        f"{_key('now')} now, {times[1]:,.1f} hours</span>"
        f"<span lang=ar dir=rtl>{_key('then')} سابقًا، {times[0]:,.1f} ساعة عمل؛ "
        f"{_key('now')} الآن، {times[1]:,.1f} ساعة</span>"
        "</figcaption></figure>"
    )


def _key(side: str) -> str:
    return f'<svg class=key viewBox="0 0 9 9"><rect class="{side}" width="9" height="9"/></svg>'


def _bar(at: int, each: Load, step: float, most: int) -> str:
    width = 0.42 * step
    heights = [(side, name, (_BARS - 6) * each.reviews[side] / most) for side, name in enumerate(("then", "now"))]
    return "".join(
        f'<rect class="{name}" x="{_LEFT + step * at + side * width:.1f}" y="{_BARS - height:.1f}" '
        f'width="{width:.1f}" height="{height:.1f}"/>'
        for side, name, height in heights
        if height
    )


def _reasons(compared: Comparison) -> str:
    rows = "".join(
        f"<tr><td class=code>{escape(each.code)}</td><td>{escape(text_of(each.code).en)}</td>"
        f"<td class=n>{each.then:,}</td><td class=n>{each.now:,}</td>"
        f"<td class=ar lang=ar>{_arabic(each.code)}</td></tr>"
        for each in compared.codes
    )
    return (
        "<table><tr><th>code</th><th>reason</th><th class=n>then</th><th class=n>now</th>"
        f"<th lang=ar dir=rtl>السبب</th></tr>{rows or _nothing(5)}</table>"
    )


def _orders(compared: Comparison) -> str:
    rows = "".join(_order(each) for each in compared.examples)
    return (
        "<table><tr><th>order</th><th class=n>USD</th><th>then</th><th>now</th><th>reasons now</th>"
        f"<th lang=ar dir=rtl>الأسباب الآن</th></tr>{rows or _nothing(6)}</table>"
    )


def _order(each: Changed) -> str:
    usd = "–" if each.usd is None else f"{each.usd:,.0f}"
    english, arabic = _LABELS[each.label]
    label = f"<br><small>{english} <bdi lang=ar>{arabic}</bdi></small>" if english else ""
    return (
        f"<tr><td><bdi>{escape(each.order_id)}</bdi><br><small>{moment(each.occurred_at_ms)}</small>{label}</td>"
        f"<td class=n>{usd}</td><td>{_side(each.then)}</td><td>{_side(each.now)}</td>"
        f"<td>{_listed(each.now.reasons, 'en')}</td><td class=ar lang=ar>{_listed(each.now.reasons, 'ar')}</td></tr>"
    )


def _side(side: Side) -> str:
    score = "" if side.score is None else f", {side.score:.3f}"
    return f"{_outcome(side.outcome)}<br><small>{side.mode}{score}</small>"


def _listed(reasons: Sequence[Reason], language: Language) -> str:
    """Texts, with the numbers behind them; in Arabic what is Latin keeps its own direction."""
    lines = told(reasons, "analyst", language)
    return "<ul>" + "".join(f"<li>{_isolated(line)}</li>" for line in lines) + "</ul>" if lines else ""


def _isolated(line: str) -> str:
    text, bracket, rest = line.partition(" (")
    return escape(text) + (f"<small>{escape(rest.removesuffix(')'))}</small>" if bracket else "")


def _arabic(code: str) -> str:
    text, colon, rest = text_of(code).ar.partition(": ")
    return escape(text) + (f": <bdi dir=ltr>{escape(rest)}</bdi>" if colon else "")


def _nothing(columns: int) -> str:
    return f"<tr><td colspan={columns}>none · لا شيء</td></tr>"
