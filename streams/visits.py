"""A table of visits from anywhere, a web log for instance, and its mapping: page views gathered into sessions.

Every message names the file, the column and what was expected; none holds a value of the table.
"""

from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from streams.cells import (
    CsvForm,
    TimeUnit,
    csv_form,
    known,
    numbers_of,
    origin_ms,
    read_table,
    texts_of,
    times_of,
)
from streams.errors import BadTable
from streams.tables import LabelColumns, Layout, read_mapping

FIELDS = (
    "occurred_at", "session_id", "ip", "user_agent", "path", "request", "status", "method", "referrer", "duration_ms",
    "bytes",
)  # fmt: skip
_TEXTS = ("session_id", "ip", "user_agent", "path", "method", "referrer")
_NUMBERS = ("status", "duration_ms", "bytes")
SCRIPTED = (
    "1", "1.0", "true", "t", "yes", "y", "bot", "robot", "crawler", "spider", "scraper", "script", "scripted",
    "automated", "fraud", "malicious", "attack",
)  # fmt: skip
_PAUSE_MS = 30 * 60_000  # without a session's id, a visitor who was away for longer begins another session
_WEEK_MS = 604_800_000
_APACHE = r"^\[?\d{1,2}/[A-Za-z]{3}/\d{4}:"


class VisitLabels(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Columns of the labels: a session's id, or a visitor's ip, and what it was; without either, a label a page view.

    A session is scripted if any of its labels says so. `fraud`: the values that mean a script, as text.
    """

    label: str
    session_id: str | None = None
    ip: str | None = None
    fraud: tuple[str, ...] = ()


class VisitLayout(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A mapping file. `numbers` are columns of page views that are no event field, passed on as a session's mean."""

    columns: dict[str, str]
    labels: VisitLabels
    numbers: tuple[str, ...] = ()
    time_unit: TimeUnit | None = None
    time_origin: str = "1970-01-01"
    time_format: str | None = None
    separator: str | None = None
    decimal: Literal[".", ","] = "."

    def __post_init__(self) -> None:
        origin_ms(self.time_origin)
        _ = self.form

    @property
    def form(self) -> CsvForm:
        return csv_form(self.separator, self.decimal)


class Visits(msgspec.Struct, frozen=True):
    """Page views by time, a row each of `views`: `session` is the place of its session, fields that are not mapped are
    absent. The other arrays have a value a session, by the time of its last page view, at which it is judged.
    """

    views: pd.DataFrame
    mapped: frozenset[str]
    numbers: tuple[str, ...]
    occurred_at_ms: NDArray[np.int64]
    label: NDArray[np.int64]
    labelled_at_ms: NDArray[np.int64]
    delay_ms: int
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.occurred_at_ms)


def read_visit_layout(path: Path) -> VisitLayout:
    """Raises BadTable for what is no mapping of visits."""
    layout = read_mapping(path, VisitLayout)
    if unknown := sorted(set(layout.columns).difference(FIELDS)):
        raise BadTable(f"{path}: no field of a visit is called {', '.join(unknown)}; there are {', '.join(FIELDS)}")
    if "occurred_at" not in layout.columns:
        raise BadTable(f"{path}: expected a column for occurred_at")
    if not {"session_id", "ip", "user_agent"} & set(layout.columns):
        raise BadTable(f"{path}: expected a column for session_id, or for ip or user_agent, to tell visitors apart by")
    return layout


def read_visits(visits: Path, labels: Path, layout: VisitLayout, delay_ms: int | None) -> Visits:
    """The sessions with their labels, known `delay_ms` after each; None is a week, or a tenth of the table's time.

    Raises BadTable.
    """
    own_file = not labels.samefile(visits)
    if own_file and layout.labels.session_id is None and layout.labels.ip is None:
        raise BadTable(
            f"{labels}: expected labels.session_id or labels.ip in the mapping: labels are in their own file"
        )
    more = [] if own_file else [c for c in (layout.labels.label,) if c is not None]
    table = read_table(visits, [*layout.columns.values(), *layout.numbers, *more], layout.form)
    if table.empty:
        raise BadTable(f"{visits}: expected page views, found no row")
    views = _views(visits, layout, table)
    said = None if own_file else _said(visits, layout.labels, table)
    if said is not None:
        views["said"] = said
    views = views.sort_values("at_ms", kind="stable", ignore_index=True)
    views["session"] = _sessions(views)
    at_ms = views.groupby("session")["at_ms"].max().to_numpy()
    if delay_ms is None:
        delay_ms = min(_WEEK_MS, (int(at_ms.max()) - int(views["at_ms"].iloc[0])) // 10)
    if own_file:
        label, notes = _looked_up(labels, layout, views, len(at_ms))
    else:
        label, notes = views.groupby("session")["said"].max().to_numpy(), ()
    if absent := int((label < 0).sum()):
        notes = (*notes, f"{absent:,} sessions have no label: they count as people's")
    return Visits(
        views=views,
        mapped=frozenset({*layout.columns, *(("path", "method") if "request" in layout.columns else ())}),
        numbers=layout.numbers,
        occurred_at_ms=at_ms,
        label=label.astype(np.int64),
        labelled_at_ms=at_ms + delay_ms,
        delay_ms=delay_ms,
        notes=notes,
    )


def _views(path: Path, layout: VisitLayout, table: pd.DataFrame) -> pd.DataFrame:
    columns = layout.columns
    moments = columns["occurred_at"]
    if layout.time_format is None:
        table = table.assign(**{moments: _as_iso(table[moments])})
    timed = Layout(
        {"occurred_at": moments},
        LabelColumns(""),
        time_unit=layout.time_unit,
        time_origin=layout.time_origin,
        time_format=layout.time_format,
    )
    views = pd.DataFrame({"at_ms": times_of(path, moments, table, timed)})
    for field in _TEXTS:
        if field in columns:
            views[field] = texts_of(table[columns[field]]).str.strip().replace({"": None, "-": None}).to_numpy(object)
    if "request" in columns:  # as web servers log it: method, path, protocol
        pieces = texts_of(table[columns["request"]]).str.split(n=2, expand=True).reindex(columns=range(2))
        views["method"], views["path"] = pieces[0].to_numpy(object), pieces[1].to_numpy(object)
    for field in _NUMBERS:
        if field in columns:
            views[field] = numbers_of(path, columns[field], table.replace({columns[field]: {"-": None}}))
    for name in layout.numbers:
        views[f"number {name}"] = numbers_of(path, name, table)
    return views.where(views.notna(), None) if views.empty else views


def _as_iso(given: pd.Series) -> pd.Series:
    """Times as web servers write them (22/Jan/2026:03:56:14 +0330) as moments, others as they are."""
    if pd.api.types.is_numeric_dtype(given) or pd.api.types.is_datetime64_any_dtype(given):
        return given
    text = given.astype("string")
    if not bool(text.dropna().head(100).str.match(_APACHE).all()) or text.isna().all():
        return given
    bare = text.str.strip("[]")
    zoned = bare.where(bare.str.contains(" "), bare + " +0000")
    return pd.to_datetime(zoned, format="%d/%b/%Y:%H:%M:%S %z", utc=True, errors="coerce")


def _sessions(views: pd.DataFrame) -> NDArray[np.int64]:
    """Of each page view the place of its session, by the time of the session's last one.

    A session's id tells; where there is none, what comes from one ip and user agent less than half an hour apart.
    """
    visitor = pd.Series("", index=views.index)
    for field in ("ip", "user_agent"):
        if field in views:
            visitor = visitor + "\n" + views[field].fillna("").astype(str)
    ids = views["session_id"] if "session_id" in views else pd.Series(None, index=views.index, dtype=object)
    named = ids.notna().to_numpy()
    pause = views["at_ms"].groupby(visitor).diff().fillna(0)
    stay = (pause > _PAUSE_MS).groupby(visitor).cumsum().astype(str)
    key = np.where(named, "id " + ids.fillna("").astype(str), "of " + stay + visitor)
    numbers = pd.factorize(key)[0]
    ends = views["at_ms"].groupby(numbers).max()
    place = np.empty(len(ends), dtype=np.int64)
    place[np.argsort(ends.to_numpy(), kind="stable")] = np.arange(len(ends))
    return np.asarray(place[numbers], dtype=np.int64)


def _said(path: Path, labels: VisitLabels, table: pd.DataFrame) -> NDArray[np.int64]:
    """1, 0, or -1 where nothing is said."""
    given = known(table[labels.label])
    if given.isna().all():
        raise BadTable(f"{path}: column {labels.label}: expected labels, found none")
    scripted = {text.strip().lower() for text in labels.fraud or SCRIPTED}
    return np.where(given.isna(), -1, texts_of(given).str.strip().str.lower().isin(scripted).astype(int))


def _looked_up(
    path: Path, layout: VisitLayout, views: pd.DataFrame, sessions: int
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Labels by session or by ip, in a file of their own."""
    labels = layout.labels
    field, column = ("session_id", labels.session_id) if labels.session_id is not None else ("ip", labels.ip)
    assert column is not None
    if field not in views:
        raise BadTable(f"{path}: labels are by {field}: expected a column for {field} among the visits'")
    table = read_table(path, [labels.label, column], layout.form)
    said = pd.Series(_said(path, labels, table)).groupby(texts_of(table[column]).to_numpy(object)).max()
    found = views[field].map(said)
    label = found.groupby(views["session"]).max().reindex(range(sessions)).fillna(-1).to_numpy(np.int64)
    unknown = int((~said.index.isin(views[field].dropna().unique())).sum())
    return label, (f"{unknown:,} labels name no session of the table: left out",) if unknown else ()
