"""Made-up orders with the decisions of a model that was trained on their like, as files."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from events.facts import Coordinates, Entities, LabelFact, OrderFact, RefusedOrder
from features.definitions import DEFINITIONS
from models import artifact, screening
from models.decisions import Decision
from models.policy import Policy
from models.rules import Ruleset
from models.scoring import HistScorer
from models.training import Settings, train

START_MS = 1_767_225_600_000  # 2026-01-01
MINUTE_MS = 60_000
DAY = ("--from", "2026-01-01", "--until", "2026-01-02")
NAMES = DEFINITIONS.names
TOLD_BY = NAMES.index("card.orders.count.7d")  # of which the rules that come with Amana say nothing
AMOUNT = NAMES.index("order.amount_usd")
QUICK = Settings(trees=10, leaves=4, learning_rate=0.5)
COUNTRIES = ("SA", "AE", "KW")


def vectors(orders: int, seed: int) -> np.ndarray:
    """Fraud is many orders with a card; amounts from 10 to 1,000 dollars; all else is absent."""
    random = np.random.default_rng(seed)
    found = np.full((orders, len(NAMES)), np.nan)
    found[:, TOLD_BY] = random.integers(0, 10, orders)
    found[:, AMOUNT] = random.integers(10, 1_000, orders)
    return found


def learnt(folder: Path, orders: int = 1_200, seed: int = 1, definitions: str = DEFINITIONS.hash) -> HistScorer:
    matrix = vectors(orders, seed)
    frauds = (matrix[:, TOLD_BY] >= 8) & (np.random.default_rng(seed).random(orders) < 0.7)
    rest = pd.DataFrame(
        {
            "decision_id": [f"T:0:{at}" for at in range(orders)],
            "order_id": [f"o-{at}" for at in range(orders)],
            "occurred_at_ms": START_MS - (orders - np.arange(orders)) * MINUTE_MS * 10,
            "label": frauds.astype(int),
        }
    )
    table = pd.concat([pd.DataFrame(matrix, columns=list(NAMES)), rest], axis=1)
    trained = train(table, NAMES, definitions=definitions, seed=seed, settings=QUICK)
    return artifact.load(folder, artifact.save(folder, trained))


def order(number: int, minute: float, usd: float) -> OrderFact:
    return OrderFact(
        source=Coordinates("orders", "T", 0, number),
        event_id=f"e-{number}",
        occurred_at_ms=round(START_MS + minute * MINUTE_MS),
        recorded_at_ms=round(START_MS + minute * MINUTE_MS),
        entities=Entities(customer="c" * 22, device=None if number % 4 == 0 else "d" * 22),
        order_id=f"o-{number}",
        amount_minor=round(usd * 100),
        currency="USD",
        method="card" if number % 3 else "wallet",
        shipping_country=COUNTRIES[number % 3],
    )


def refused(number: int, minute: float) -> RefusedOrder:
    at_ms = round(START_MS + minute * MINUTE_MS)
    return RefusedOrder(
        source=Coordinates("orders", "T", 0, number), event_id=f"e-{number}", occurred_at_ms=at_ms,
        recorded_at_ms=at_ms, order_id=f"o-{number}", reason="refused.ill_formed",
    )  # fmt: skip


def label(of: OrderFact, fraud: bool, days: float = 1) -> LabelFact:
    at_ms = of.occurred_at_ms + round(days * 86_400_000)
    return LabelFact(
        source=Coordinates("labels", "L", 0, of.source.offset), event_id=f"l-{of.source.offset}",
        occurred_at_ms=at_ms, recorded_at_ms=at_ms, order_id=of.order_id,
        label="confirmed" if fraud else "dismissed", decision_id=of.source.text(),
    )  # fmt: skip


def decided(
    facts: Sequence[OrderFact | RefusedOrder],
    matrix: np.ndarray,
    scorer: HistScorer | None,
    policy: Policy | None = None,
    ruleset: Ruleset | None = None,
) -> list[Decision]:
    by = policy or (scorer.policy if scorer else Policy(0.5, 0.9))
    return screening.conclude(facts, matrix, scorer, by, DEFINITIONS, ruleset=ruleset)


def a_day(orders: int, seed: int = 3) -> tuple[list[OrderFact], np.ndarray]:
    matrix = vectors(orders, seed)
    minutes = np.linspace(0, 1_439, orders)
    return [order(at, minutes[at], matrix[at, AMOUNT]) for at in range(orders)], matrix
