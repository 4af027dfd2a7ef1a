"""`amana models watch`: the traffic of a window against a reference before it, read as a what-if reads it."""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np
from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

from events.facts import OrderFact
from features.formulas import Floats
from models.policy import ORDERED
from models.populations import Populations
from models.screening import Definitions
from models.watch import Cohort, Drift, Seen, Segment, against, cohorts, drifts, segments
from streams.errors import NothingToReplay
from streams.replay import Scope
from streams.traffic import Counts, Judged, Traffic

SAMPLE = 20_000  # orders a side, for the features' drift: 56 MB
KINDS = ("country", "method", "cookies")


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """`model` scored most orders of the window: scores of others do not compare, and count for no drift of scores."""

    from_ms: int
    until_ms: int
    reference_from_ms: int
    definitions: str
    model: str | None
    models: dict[str, int]
    reference_models: dict[str, int]
    read: Counts
    refused: int
    segments: list[Segment]
    cohorts: list[Cohort]
    features: list[Drift]
    trained: "Trained | None" = None


class Trained(msgspec.Struct, frozen=True, kw_only=True):
    """The window against what its model was trained on: the scores against its own of the latest of these."""

    model: str
    score: Drift
    features: list[Drift]


Populated = Callable[[str], Populations | None]  # of a model's version, where it is at hand


class _Side(msgspec.Struct):
    """The window, or the reference: its models, and of some of its orders the vectors."""

    share: float
    models: Counter[str] = msgspec.field(default_factory=Counter)
    rows: list[Floats] = []


def watched(
    traffic: Traffic,
    scope: Scope,
    from_ms: int,
    definitions: Definitions,
    populated: Populated = lambda _: None,
) -> Report:
    """The window is [from_ms, scope.until_ms), the reference what the scope has before it.

    Memory: some 300 bytes an order, and SAMPLE vectors a side, chosen by a hash of the decision's id: the same orders
    each time. Raises NothingToReplay where the window has no order.
    """
    sides = [_Side(_share(traffic.between(*span))) for span in ((scope.from_ms, from_ms), (from_ms, scope.until_ms))]
    orders: list[Judged] = []
    refused = 0
    for chunk in traffic.chunks():
        matrix = traffic.matrix(chunk)
        for row, each in enumerate(chunk):
            if not isinstance(each.fact, OrderFact):
                refused += 1
                continue
            side = sides[each.fact.occurred_at_ms >= from_ms]
            side.models[each.decision.model or "none"] += 1
            if _chosen(each.decision.decision_id, side.share):
                side.rows.append(matrix[row])
            orders.append(_slim(each))
    reference, window = sides
    if not window.models:
        raise NothingToReplay("no order of that range was decided; its reference has some")
    model = _most(window.models)
    seen = _seen(orders, traffic, model)
    width = len(definitions.names)
    now = _stacked(window.rows, width)
    return Report(
        from_ms=from_ms,
        until_ms=scope.until_ms,
        reference_from_ms=scope.from_ms,
        definitions=definitions.hash,
        model=model,
        models=dict(window.models),
        reference_models=dict(reference.models),
        read=traffic.counts,
        refused=refused,
        segments=segments(seen, from_ms),
        cohorts=cohorts(seen),
        features=drifts(_stacked(reference.rows, width), now, definitions.names),
        trained=_trained(model, populated, now, seen.score[seen.at_ms >= from_ms], definitions),
    )


def _trained(
    model: str | None, populated: Populated, window: Floats, scores: Floats, definitions: Definitions
) -> Trained | None:
    kept = None if model is None else populated(model)
    if model is None or kept is None:
        return None
    score, features = against(kept, window, scores, definitions.names)
    return Trained(model=model, score=score, features=features)


def write_metrics(report: Report, path: Path, now_s: float) -> None:
    """The figures for the node exporter's textfile collector, replaced in one step; what can't be said is left out."""
    registry = CollectorRegistry()
    told = {
        "orders": ("Orders of the window", "orders"),
        "alert_ratio": ("Share of them that was not approved", "alert_rate"),
        "alerts_known": ("Alerts of window and reference with a label", "known"),
        "alerts_fraud": ("Alerts of window and reference that were fraud", "frauds"),
        "precision_ratio": ("Share of fraud among the alerts with a label", "precision"),
        "missed_frauds": ("Approved orders that were fraud", "missed"),
        "score_psi": ("Population stability index of the scores against the reference", "score_psi"),
    }
    for name, (text, field) in told.items():
        gauge = Gauge(f"amana_watch_{name}", text, ["segment", "value"], registry=registry)
        for segment in report.segments:
            value = getattr(segment, field)
            if value is not None:
                gauge.labels(segment.kind, segment.value).set(value)
    psi = Gauge("amana_watch_feature_psi", "As score_psi, of a feature", ["feature"], registry=registry)
    for drift in report.features:
        if drift.psi is not None:
            psi.labels(drift.feature).set(drift.psi)
    if report.trained is not None:
        _write_trained(report.trained, registry)
    Gauge("amana_watch_last_run_timestamp_seconds", "When the last watch ended", registry=registry).set(now_s)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_to_textfile(str(path), registry)


def _write_trained(trained: Trained, registry: CollectorRegistry) -> None:
    psi = Gauge(
        "amana_watch_training_psi",
        "As feature_psi, against what the model was trained on",
        ["feature"],
        registry=registry,
    )
    for drift in (trained.score, *trained.features):
        if drift.psi is not None:
            psi.labels(drift.feature).set(drift.psi)


def _share(orders: int) -> float:
    return min(1.0, SAMPLE / max(1, orders))


def _chosen(decision_id: str, share: float) -> bool:
    digest = hashlib.blake2b(decision_id.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") < share * 2**64


def _slim(each: Judged) -> Judged:
    """Without what takes room: the vector and the reasons."""
    return Judged(each.fact, msgspec.structs.replace(each.decision, vector=None, reasons=()))


def _most(models: Counter[str]) -> str | None:
    scored = [(count, name) for name, count in models.items() if name != "none"]
    return max(scored)[1] if scored else None


def _seen(orders: Sequence[Judged], traffic: Traffic, model: str | None) -> Seen:
    labels = [traffic.labels.of(each.fact.order_id) for each in orders]
    scores = [each.decision.score if each.decision.model == model else None for each in orders]
    facts = [each.fact for each in orders if isinstance(each.fact, OrderFact)]
    return Seen(
        at_ms=np.array([fact.occurred_at_ms for fact in facts], dtype=np.int64),
        rank=np.array([ORDERED.index(each.decision.outcome) for each in orders], dtype=np.intp),
        score=_floats(scores),
        label=_floats(labels),
        segments=dict(zip(KINDS, zip(*(_segments(fact) for fact in facts), strict=True), strict=True)),
    )


def _segments(fact: OrderFact) -> tuple[str, str, str]:
    """Of each of KINDS the order's value; cookies as the feature `order.cookies_refused` has it."""
    refused = fact.entities.session is None and fact.entities.device is None
    country = fact.shipping_country or fact.billing_country or "unknown"
    return country, fact.method, "refused" if refused else "accepted"


def _floats(values: Sequence[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _stacked(rows: list[Floats], width: int) -> Floats:
    return np.array(rows, dtype=np.float64).reshape(len(rows), width)
