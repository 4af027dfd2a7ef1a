"""What the decision on an order costs once its vector is there: score, rules, policy, reasons of the flagged."""

import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks import workload
from benchmarks.report import Outcome, Plan, Run, by_contender, medians_of
from events.facts import OrderFact
from features.definitions import DEFINITIONS
from models import artifact
from models.decisions import FLAGGED
from models.scoring import HistScorer, Matrix
from models.screening import conclude
from streams.log import CHUNK
from vault.keyring import Keyring

SIZES = (CHUNK, 20, 1)
PARTS = {
    "score_us": "score",
    "reasons_us": "reasons of the flagged",
    "decide_us": "whole decision",
    "reasons_us_per_flagged": "reasons, us a flagged order",
}


def measure(plan: Plan) -> Outcome:
    with TemporaryDirectory() as folder:
        keyring, models = Path(folder) / "keyring.json", Path(folder) / "models"
        Keyring.create(keyring, random.Random(7).randbytes)
        workload.save_model(models, keyring, plan.of(6_000, 1_500))
        scorer = artifact.load(models)
        facts, matrix = workload.screened(keyring, plan.of(5_000, CHUNK))
    runs = [
        Run(contender(size), number, cost(scorer, facts, matrix, size))
        for number in range(plan.rounds)
        for size in SIZES
    ]
    outcomes = scorer.policy.ranks(scorer.scores(matrix), matrix[:, DEFINITIONS.names.index("order.amount_usd")])
    return Outcome(
        workload=(
            f"{len(facts):,} orders of a simulated store with their visits, in chunks; the model, of"
            f" {len(scorer.names)} features, learned from another such store and flags {np.mean(outcomes > 0):.1%} of"
            " these. Processor time of the one process, us an order; `whole decision` is the stage's function from"
            " facts and vectors to decisions, scoring and reasons included."
        ),
        runs=runs,
        figures={
            "score_us_per_order": medians_of(runs, "score_us")[contender(CHUNK)],
            "decide_us_per_order": medians_of(runs, "decide_us")[contender(CHUNK)],
            "reasons_us_per_flagged_order": medians_of(runs, "reasons_us_per_flagged")[contender(CHUNK)],
        },
        targets={
            "score_us_per_order": "<= 10",
            "decide_us_per_order": "<= 30",
            "reasons_us_per_flagged_order": "<= 5000",
        },
        columns=["in chunks of", *PARTS.values()],
        rows=[
            [name, *(f"{median(values[part]):,.1f}" for part in PARTS)] for name, values in by_contender(runs).items()
        ],
    )


def contender(size: int) -> str:
    return f"{size} orders" if size > 1 else "1 order"


def cost(scorer: HistScorer, facts: Sequence[OrderFact], matrix: Matrix, size: int) -> dict[str, float]:
    """Processor us an order, of each part by itself."""
    pieces = [(facts[at : at + size], matrix[at : at + size]) for at in range(0, len(facts), size)]

    def decide(facts: Sequence[OrderFact], rows: Matrix) -> Any:
        return conclude(facts, rows, scorer, scorer.policy, DEFINITIONS)

    decided = [decide(*piece) for piece in pieces]
    flagged = [
        rows[[decision.outcome in FLAGGED for decision in decisions]]
        for (_, rows), decisions in zip(pieces, decided, strict=True)
    ]
    explained = sum(map(len, flagged))
    reasons_s = spent_s(scorer.reasons, [(rows,) for rows in flagged if len(rows)])
    return {
        "score_us": 1e6 * spent_s(scorer.scores, [(rows,) for _, rows in pieces]) / len(facts),
        "reasons_us": 1e6 * reasons_s / len(facts),
        "reasons_us_per_flagged": 1e6 * reasons_s / max(1, explained),
        "decide_us": 1e6 * spent_s(decide, pieces) / len(facts),
    }


def spent_s(function: Callable[..., Any], calls: Sequence[tuple[Any, ...]]) -> float:
    before = time.process_time()
    for call in calls:
        function(*call)
    return time.process_time() - before
