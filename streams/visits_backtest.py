"""`amana backtest --visits`: a table of page views, by sessions, through the feature store; scripts found among them.

Two scores are judged on the same sessions: one learned from the table's own labels of earlier sessions, which the
figures, the curves and `scores.csv` are of, and `session.automation`, which has seen no label of this table.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from features.server import PATIENCE_S, embedded
from features.store import connect
from models.backtest import Examples, Protocol, Tested, backtest, default_protocol
from models.learner import Plan
from models.page import Page
from streams.backtest import Bar, Judged, Summary, found, single, write
from streams.visits import VisitLayout, Visits, read_visits
from streams.visits_facts import AUTOMATION, log_numbers, vectors_of

_DAY_MS = 86_400_000


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """As of orders; a window's end that is None is chosen by `default_protocol`."""

    visits: Path
    labels: Path
    layout: VisitLayout
    out: Path
    delay_days: float | None = None
    train_from_ms: int | None = None
    train_until_ms: int | None = None
    test_from_ms: int | None = None
    test_until_ms: int | None = None
    plan: Plan = Plan()
    seed: int = 0


class VisitSummary(Summary, frozen=True, kw_only=True):
    """As of orders, sessions in their place (`orders`, `frauds`: sessions tested, scripts among them); no amounts.

    `automation_*` are of `session.automation` alone, None where no session tested has it.
    """

    visits: int
    automation_auc: float | None
    automation_average_precision: float | None


def run(asked: Asked, bar: Bar, told: Callable[[str], None]) -> VisitSummary:
    """Writes `backtest.json`, `report.html` and `scores.csv` into `asked.out`.

    Raises BadTable for files that cannot be used, UntrainableTable where there is nothing to learn from or to judge.
    """
    began = time.perf_counter()
    told("reading the table")
    delay_ms = None if asked.delay_days is None else round(asked.delay_days * _DAY_MS)
    visits = read_visits(asked.visits, asked.labels, asked.layout, delay_ms)
    protocol = protocol_of(asked, visits)
    asked.out.mkdir(parents=True, exist_ok=True)  # if that can't be, it is said before the work
    replaying = time.perf_counter()
    examples = asyncio.run(examples_of(visits, bar))
    replayed_s = time.perf_counter() - replaying
    tested = backtest(examples, protocol, asked.plan, asked.seed, told)
    auc, precision = _unlearned(examples, tested)
    summary = VisitSummary(
        **found(tested, protocol, visits.delay_ms, asked.seed, visits.notes),
        seconds=round(time.perf_counter() - began, 1),
        orders_per_s=round(len(visits) / replayed_s, 1),
        visits=len(visits.views),
        automation_auc=auc,
        automation_average_precision=precision,
    )
    names = [str(number) for number in range(len(visits))]
    judged = Judged(names, visits.occurred_at_ms, visits.label, ("session", "ended_at_ms"))
    write(asked.out, _page(asked, tested, summary), summary, judged, tested)
    return summary


async def examples_of(visits: Visits, bar: Bar) -> Examples:
    """The sessions' vectors, made by the executor itself on a server of its own, and what the log says beside them."""
    with embedded() as url:
        async with connect(url, timeout_s=PATIENCE_S) as client:
            names, matrix = await vectors_of(client, visits, bar("visits to vectors", len(visits)))
    more = log_numbers(visits)
    beside = single(np.stack(list(more.values()), axis=1))
    return Examples(
        names=(*names, *more),
        matrix=np.concatenate([matrix, beside], axis=1),
        categories={},
        occurred_at_ms=visits.occurred_at_ms,
        label=np.maximum(visits.label, 0),
        labelled_at_ms=visits.labelled_at_ms,
        amount=np.full(len(visits), np.nan),
        customer=None,
    )


def protocol_of(asked: Asked, visits: Visits) -> Protocol:
    chosen = default_protocol(visits.occurred_at_ms, visits.delay_ms)
    names = ("train_from_ms", "train_until_ms", "test_from_ms", "test_until_ms")
    given = {name: getattr(asked, name) for name in names}
    if given["test_from_ms"] is not None and given["train_until_ms"] is None:
        given["train_until_ms"] = given["test_from_ms"] - visits.delay_ms
    return Protocol(**{name: getattr(chosen, name) if at is None else at for name, at in given.items()})


def _unlearned(examples: Examples, tested: Tested) -> tuple[float | None, float | None]:
    """What `session.automation` finds by itself; a session that lacks it counts as a person's."""
    score = examples.matrix[tested.rows, examples.names.index(AUTOMATION)].astype(np.float64)
    if np.isnan(score).all():
        return None, None
    label, score = examples.label[tested.rows], np.nan_to_num(score)
    return float(roc_auc_score(label, score)), float(average_precision_score(label, score))


def _page(asked: Asked, tested: Tested, summary: VisitSummary) -> Page:
    alone = "-" if summary.automation_auc is None else f"area under the ROC curve {summary.automation_auc:.4f}"
    facts = [
        (
            "visits",
            f"{asked.visits.name}: {summary.visits:,} page views; an order below is a session, a fraud a script",
        ),
        ("labels", f"{asked.labels.name}, known {summary.delay_days:g} days late"),
        (
            "learned from",
            f"{summary.learned_orders:,} sessions, {summary.learned_frauds:,} scripted as far as was known",
        ),
        (f"{AUTOMATION} alone, which learned nothing here", alone),
        ("training", f"{summary.train_from} until {summary.train_until} (UTC)"),
        ("test", f"{summary.test_from} until {summary.test_until} (UTC)"),
        ("columns", f"{summary.columns}; definitions {summary.definitions}"),
        ("seed, fingerprint of the scores", f"{summary.seed}, {summary.fingerprint[:16]}"),
    ]
    return Page(
        title=f"{asked.visits.name}: {summary.test_from} – {summary.test_until}",
        facts=facts,
        measures=tested.measures,
        orders=tested.orders,
        frauds=tested.frauds,
        curves=tested.curves,
        groups=tested.groups,
        notes=summary.notes,
        weights=tested.weights,
    )
