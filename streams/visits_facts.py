"""Sessions of a table of visits as facts, through the feature store itself; and what a log says beyond these.

Each page view is a visit; the session ends in an order of nothing, whose vector is what would be known of the session.
"""

import heapq
import re
from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from events import canonical
from events.facts import AnyFact, Coordinates, Entities, OrderFact, Pseudonym, VisitFact
from features.declared import Definitions
from features.definitions import DEFINITIONS
from features.evidence import inputs_of
from features.numbers import Direct
from features.store import Client
from streams.backtest_facts import Told, matrix_of, pseudonym
from streams.visits import Visits

AUTOMATION = "session.automation"
_SOURCES = frozenset({"visits", "checkouts", "accounts", "assets", "errors"})
_NOWHERE = Coordinates("table", "table", 0, 0)
_ASSET = r"(?i)\.(?:js|mjs|css|png|jpe?g|gif|svg|webp|ico|woff2?|ttf|eot|map|mp4|webm|avif)(?:[?#]|$)"
_TOOLS = (
    r"(?i)bot|crawl|spider|slurp|scrap|curl|wget|python|java/|libwww|go-http|okhttp|httpclient|axios|node|perl|ruby|php"
    r"|headless|phantom|selenium|puppeteer|playwright|archiver|monitor|preview|fetch|scan|nikto|sqlmap"
)
_IS_ASSET = re.compile(_ASSET)
_MOST_MS = 86_400_000


def definitions_for(visits: Visits) -> Definitions:
    """The default features that page views alone can say anything of."""
    kinds = {"session"} | ({"ip", "network"} if "ip" in visits.mapped else set())
    return Definitions(tuple(feature for feature in DEFINITIONS.features if _told(feature, kinds)))


async def vectors_of(client: Client, visits: Visits, told: Told) -> tuple[tuple[str, ...], NDArray[np.float32]]:
    """The features' names and a row a session; `told` hears of sessions done."""
    definitions = definitions_for(visits)
    return definitions.names, await matrix_of(client, definitions, facts(visits), len(visits), told)


def facts(visits: Visits) -> Iterator[AnyFact]:
    """Page views by time, each session's end after its last."""
    entities = _entities(visits)
    return heapq.merge(_views(visits, entities), _ends(visits, entities), key=lambda fact: fact.occurred_at_ms)


def log_numbers(visits: Visits) -> dict[str, NDArray[np.float64]]:
    """What a log says of each session beyond the store's features: rhythm, methods, answers, who it says it is."""
    views = visits.views
    by_session = views["session"]
    gap_s = views["at_ms"].groupby(by_session).diff() / 1000
    columns = {
        "hits": pd.Series(1.0, index=views.index),
        "gap_s": gap_s,
        "quick": (gap_s < 1).where(gap_s.notna()),
        "at_night": views["at_ms"] // 3_600_000 % 24 < 6,
    } | _said_by_each(visits)
    means = pd.DataFrame({name: column.astype(float) for name, column in columns.items()}).groupby(by_session).mean()
    found = {f"log.{name}.mean": means[name] for name in means.columns if name != "hits"}
    gaps = gap_s.groupby(by_session)
    found |= {
        "log.hits": by_session.value_counts().sort_index().astype(float),
        "log.seconds": gaps.sum(),
        "log.gap_s.median": gaps.median(),
        "log.gap_s.deviation": gaps.std() / gaps.mean(),
        "log.gap_s.min": gaps.min(),
    }
    if "path" in views:
        paths = views["path"].groupby(by_session)
        found["log.paths.share"] = paths.nunique() / found["log.hits"]
        found["log.robots_txt"] = columns["robots_txt"].astype(float).groupby(by_session).max()
    with np.errstate(invalid="ignore"):
        return {name: np.asarray(column.to_numpy(dtype=np.float64)) for name, column in found.items()}


def _said_by_each(visits: Visits) -> dict[str, pd.Series]:
    """Of each page view, 0 or 1 or a number, of the fields that are mapped."""
    views, columns = visits.views, {}
    if "path" in views:
        path = views["path"].fillna("").astype(str)
        columns["asset"] = path.str.contains(_ASSET)
        columns["robots_txt"] = path.str.contains("robots.txt", regex=False)
        columns["depth"] = path.str.replace(r"[?#].*", "", regex=True).str.count("/")
        columns["query"] = path.str.contains("?", regex=False)
    if "status" in views:
        hundreds = views["status"] // 100
        columns |= {f"status_{n}00": (hundreds == n).where(hundreds.notna()) for n in (2, 3, 4, 5)}
    if "method" in views:
        method = views["method"].fillna("").astype(str).str.upper()
        columns |= {"head": method == "HEAD", "post": method == "POST"}
    if "referrer" in views:
        columns["no_referrer"] = views["referrer"].isna()
    if "user_agent" in views:
        agent = views["user_agent"].fillna("").astype(str)
        columns |= {"tool": agent.str.contains(_TOOLS), "agent_length": agent.str.len()}
    for name in ("bytes", "duration_ms"):
        if name in views:
            columns[name] = views[name]
    return columns | {f"{name}": views[f"number {name}"] for name in visits.numbers}


def _told(feature: object, kinds: set[str]) -> bool:
    numbers = inputs_of(feature)  # type: ignore[arg-type]  # a feature, of whichever kind
    named = {number.kind for number in numbers if not isinstance(number, Direct)}
    sources = {getattr(number, "source", "visits") for number in numbers}
    joins = kinds | {"device"}  # absent, so that what is joined by it goes on to the ip
    return bool(named & kinds) and named <= (joins if len(named) > 1 else kinds) and sources <= _SOURCES


def _entities(visits: Visits) -> list[Entities]:
    """Of each session: of its last page view, that is."""
    last = visits.views.groupby("session").last()
    ips: list[str | None] = [None] * len(visits)
    if "ip" in last:
        ips = [canonical.ip(text) or text if isinstance(text, str) else None for text in last["ip"]]
    return [Entities(session=pseudonym("session", str(n)), **_of_ip(ip)) for n, ip in enumerate(ips)]


def _of_ip(ip: str | None) -> dict[str, Pseudonym | None]:
    if ip is None:
        return {}
    network = canonical.network(ip) if canonical.ip(ip) else None
    return {"ip": pseudonym("ip", ip), "network": pseudonym("network", network)}


def _views(visits: Visits, entities: list[Entities]) -> Iterator[AnyFact]:
    views = visits.views
    duration = _durations(visits)
    paths = views["path"] if "path" in views else pd.Series("", index=views.index)
    routes = [_route(path) for path in paths]
    status = views["status"].to_numpy(float) if "status" in views else np.full(len(views), np.nan)
    each = zip(views["at_ms"].tolist(), views["session"].tolist(), routes, duration, status.tolist(), strict=True)
    for number, (at_ms, session, route, stay_ms, answered) in enumerate(each):
        yield VisitFact(
            source=_NOWHERE,
            event_id=f"view {number}",
            occurred_at_ms=at_ms,
            recorded_at_ms=at_ms,
            entities=entities[session],
            route=route,
            duration_ms=None if np.isnan(stay_ms) else int(stay_ms),
            status=None if np.isnan(answered) else int(answered),
        )


def _durations(visits: Visits) -> list[float]:
    """How long each page was looked at: as the table says, else until the session's next one."""
    views = visits.views
    until_next = -views["at_ms"].groupby(views["session"]).diff(-1)
    stay = until_next if "duration_ms" not in views else views["duration_ms"].fillna(until_next)
    return list(stay.clip(0, _MOST_MS).to_numpy(float))


def _route(path: object) -> str:
    """As intake would write it; what a browser loads by itself is told by its ending too."""
    if not isinstance(path, str):
        return "other"
    return "/assets/:x" if _IS_ASSET.search(path) else canonical.route(path)


def _ends(visits: Visits, entities: list[Entities]) -> Iterator[AnyFact]:
    for number, at_ms in enumerate(visits.occurred_at_ms.tolist()):
        yield OrderFact(
            source=_NOWHERE,
            event_id=f"end {number}",
            occurred_at_ms=at_ms,
            recorded_at_ms=at_ms,
            entities=entities[number],
            order_id=str(number),
            amount_minor=0,
            currency="XXX",
            method="card",
        )
