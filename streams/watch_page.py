"""A watch as one HTML file, in English and Arabic: segments, alerts by day as inline SVG, drift; it loads nothing."""

from collections.abc import Sequence
from html import escape
from itertools import groupby

from models.page import STYLE, heading
from models.watch import Cohort, Drift, Level, Segment
from streams.watching import Report, Trained
from streams.whatif_shown import moment

_FEATURES, _AT_LEAST = 20, 5  # shown at most, and whatever their index
_NOTHING = 0.0005  # an index that would be written as nothing
_WIDTH, _HEIGHT, _LEFT, _BARS = 900, 190, 44, 168  # of the days' plot, in its own units
_FULL = 0.5  # the index at which a bar is full
_KINDS = {
    "all": ("every order", "كل الطلبات"),
    "country": ("country", "البلد"),
    "method": ("payment method", "طريقة الدفع"),
    "cookies": ("cookies", "ملفات تعريف الارتباط"),
}
_LEVELS: dict[Level, tuple[str, str]] = {
    "same": ("same", "ثابت"),
    "moved": ("moved", "تغيّر"),
    "another": ("another", "تغيّر كثيرًا"),
    "few": ("few orders", "طلبات قليلة"),
}
_OWN = (
    ".known{fill:#1b6ca8}.open{fill:#c9d3dc}.fraud{fill:#c8553d}svg.key{width:.7rem;height:.7rem}.wide{overflow-x:auto}"
    "td.moved{background:#fdf3d8}td.another{background:#f8d9d2}td.few{color:#777}th.kind{background:#f3f5f7}"
    ".b.moved{background:#d9a521}.b.another{background:#c8553d}"
)


def page(report: Report) -> str:
    model = "no model scored" if report.model is None else f"scores of model {report.model}"
    span = (
        f"{moment(report.from_ms)} to {moment(report.until_ms)} UTC, reference from {moment(report.reference_from_ms)}"
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>Model watch</title><style>{STYLE}{_OWN}</style></head><body>
<div class=two><h1>Model watch</h1><h1 lang=ar dir=rtl>متابعة النموذج</h1></div>
<p>{span}; {escape(model)}; {report.refused:,} refused orders left out</p>
{heading("Segments: the window, and the reference before it", "الشرائح: الفترة والفترة المرجعية قبلها")}
<div class=wide>{_segments(report.segments)}</div>
{heading("Alerts by day, as their labels mature", "التنبيهات اليومية مع وصول التصنيفات")}
{_days(report.cohorts)}
{heading("How far the features have moved (population stability index)", "مدى تغيّر الخصائص (مؤشر استقرار التوزيع)")}
{_features(report.features)}
{_trained(report.trained)}
</body></html>
"""


def _segments(segments: Sequence[Segment]) -> str:
    names = ["orders", "before", "alerts", "before", "labelled", "precision", "missed", "score drift"]
    arabic = ["الطلبات", "سابقًا", "التنبيهات", "سابقًا", "المصنَّفة", "الدقة", "الفائتة", "تغيّر الدرجات"]
    head = "".join(f"<th class=n>{en}<br><bdi lang=ar>{ar}</bdi></th>" for en, ar in zip(names, arabic, strict=True))
    rows = ""
    for kind, group in groupby(segments, key=lambda each: each.kind):
        english, words = _KINDS[kind]
        if kind != "all":
            rows += f"<tr><th class=kind colspan=9>{english} <bdi lang=ar>{words}</bdi></th></tr>"
        rows += "".join(_segment(each, english if kind == "all" else each.value) for each in group)
    return f"<table><tr><th></th>{head}</tr>{rows}</table>"


def _segment(each: Segment, name: str) -> str:
    figures = [
        f"{each.orders:,}", f"{each.reference_orders:,}", _rate(each.alert_rate), _rate(each.reference_alert_rate),
        f"{each.known:,} of {each.alerts:,}", _rate(each.precision), f"{each.missed:,}",
    ]  # fmt: skip
    shown = "".join(f"<td class=n>{figure}</td>" for figure in figures)
    return f"<tr><td dir=auto>{escape(name)}</td>{shown}{_psi(each.score_psi, each.level)}</tr>"


def _psi(psi: float | None, level: Level) -> str:
    english, arabic = _LEVELS[level]
    number = "" if psi is None else f"{psi:.3f} "
    return f'<td class="n {level}">{number}<small>{english} <bdi lang=ar>{arabic}</bdi></small></td>'


def _days(days: Sequence[Cohort]) -> str:
    most = max((day.alerts for day in days), default=0) or 1
    step = (_WIDTH - _LEFT) / max(1, len(days))
    every = max(1, -(-len(days) // 12))
    bars = "".join(_day(_LEFT + step * at, 0.7 * step, day, most) for at, day in enumerate(days))
    marks = "".join(
        f'<text x="{_LEFT + step * at:.1f}" y="{_HEIGHT - 4}">{moment(day.from_ms)[5:10]}</text>'
        for at, day in enumerate(days)
        if at % every == 0
    )
    scale = f'<text x="{_LEFT - 6}" y="14" text-anchor="end">{most:,}</text>'
    base = f'<line class="grid" x1="{_LEFT}" y1="{_BARS}" x2="{_WIDTH}" y2="{_BARS}"/>'
    return (
        f'<figure><svg role="img" aria-label="Alerts by day" xmlns="http://www.w3.org/2000/svg" '
        f'viewBox="0 0 {_WIDTH} {_HEIGHT}">{base}{bars}{scale}{marks}</svg><figcaption class=two>'
        f"<span>{_key('fraud')} fraud; {_key('known')} genuine; {_key('open')} not known yet</span>"
        f"<span lang=ar dir=rtl>{_key('fraud')} احتيال؛ {_key('known')} سليم؛ {_key('open')} غير معروف بعد</span>"
        "</figcaption></figure>"
    )


def _day(x: float, width: float, day: Cohort, most: int) -> str:
    """A bar of three parts: frauds, genuine ones, those without a label."""
    parts, top = "", float(_BARS)
    for name, count in (("fraud", day.frauds), ("known", day.known - day.frauds), ("open", day.alerts - day.known)):
        height = (_BARS - 6) * count / most
        top -= height
        if count:
            parts += f'<rect class="{name}" x="{x:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}"/>'
    return parts


def _key(part: str) -> str:
    return f'<svg class=key viewBox="0 0 9 9"><rect class="{part}" width="9" height="9"/></svg>'


def _features(features: Sequence[Drift]) -> str:
    rows = "".join(
        f"<tr><td>{escape(each.feature)}</td>{_psi(each.psi, each.level)}<td class=w>"
        f'<div class="b {each.level}" style="width:{100 * min(1.0, (each.psi or 0.0) / _FULL):.1f}%"></div></td></tr>'
        for at, each in enumerate(features[:_FEATURES])
        if at < _AT_LEAST or each.psi is None or each.psi >= _NOTHING
    )
    moved = sum(each.level in {"moved", "another"} for each in features)
    return (
        f"<p class=two><span>{moved:,} of {len(features):,} have moved</span>"
        f"<span lang=ar dir=rtl>تغيّر {moved:,} من {len(features):,}</span></p>"
        f"<table><tr><th>feature</th><th class=n>index</th><th></th></tr>{rows}</table>"
    )


def _trained(trained: Trained | None) -> str:
    if trained is None:
        return ""
    english = f"The window against what {escape(trained.model)} was trained on"
    arabic = f"الفترة مقارنة ببيانات تدريب <bdi>{escape(trained.model)}</bdi>"
    score = _psi(trained.score.psi, trained.score.level)
    head = f"<table><tr><td>score <bdi lang=ar>الدرجات</bdi></td>{score}</tr></table>"
    return heading(english, arabic) + head + _features(trained.features)


def _rate(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"
