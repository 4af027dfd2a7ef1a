"""How well `session.automation` tells scripts from people in a store it has not seen; and how its trees were made.

`python -m benchmarks automation` measures; `python -m benchmarks.automation` learns its trees anew.
"""

import random
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

from benchmarks import workload
from benchmarks.report import Outcome, Plan, Run, medians_of
from events import topics
from events.types import OrderPlaced
from features.automation import Automation, signs
from features.definitions import DEFINITIONS
from simulator.settings import Mix, Settings
from simulator.store import simulate
from vault.keyring import Keyring

TREES, LEARNED_ON = 24, ((33, 0.5), (34, 0.8), (35, 0.3))  # seeds and difficulties
MEASURED_ON = 42
_NONE = dict.fromkeys(Mix.__struct_fields__, 0.0)


def sessions(seed: int, difficulty: float, orders_per_day: float) -> tuple[NDArray[np.float64], NDArray[np.str_]]:
    """Vectors of orders with a session, three in ten fraudulent, and what each was: '' for a customer's."""
    settings = Settings(
        seed=seed,
        difficulty=difficulty,
        orders_per_day=orders_per_day,
        days=21,
        customers=2_000,
        browsing=0,
        fraud_share=0.3,
        refusing_cookies=0.05,
        mix=Mix(**_NONE | {"scripted": 1.0, "stolen_card": 0.3}),
    )
    told = [one for one in simulate(settings) if workload.topic(one) != topics.LABELS]
    kinds = {one.event.order_id: one.fraud or "" for one in told if isinstance(one.event, OrderPlaced)}
    with TemporaryDirectory() as folder:
        keyring = Path(folder) / "keyring.json"
        Keyring.create(keyring, random.Random(7).randbytes)
        facts, matrix = workload.with_vectors(told, keyring)
    kind = np.array([kinds[fact.order_id] for fact in facts])
    seen = matrix[:, DEFINITIONS.names.index("session.visits.count.1h")] > 0
    return matrix[seen], kind[seen]


def inputs(matrix: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """What the formula is made of, from vectors that hold all of it but the longest page, which the evenness tells."""
    at = {name: matrix[:, place] for place, name in enumerate(DEFINITIONS.names)}
    longest = at["session.visits.min.1h"] / at["session.visits.evenness.1h"]
    names = [number.name for number in Automation("session", "1h").inputs]
    return [longest if name == "session.visits.max.1h" else at[name] for name in names]


# Of evenness the score never falls, of what is loaded beside the pages and of the longest page it never rises.
_DIRECTIONS = (1, 0, 0, -1, -1, 0, 0)


def learned(matrix: NDArray[np.float64], scripted: NDArray[np.bool_]) -> HistGradientBoostingClassifier:
    model = HistGradientBoostingClassifier(
        max_iter=TREES,
        max_depth=2,
        learning_rate=0.25,
        min_samples_leaf=40,
        monotonic_cst=_DIRECTIONS,
        class_weight="balanced",
        random_state=0,
    )
    return model.fit(np.stack(signs(*inputs(matrix)), axis=1), scripted)


def table(model: HistGradientBoostingClassifier) -> str:
    """The trees as they stand in features/automation.py: the root's sign and threshold, each side's, four leaves."""
    rows = []
    for (tree,) in model._predictors:
        nodes = tree.nodes
        root = nodes[0]
        row: list[float] = [int(root["feature_idx"]), round(float(root["num_threshold"]), 4)]
        leaves = []
        for side in (nodes[root["left"]], nodes[root["right"]]):
            split = not side["is_leaf"]
            row += [int(side["feature_idx"]) if split else 0, round(float(side["num_threshold"]), 4) if split else 0.0]
            ends = (nodes[side["left"]], nodes[side["right"]]) if split else (side, side)
            leaves += [round(float(end["value"]), 3) for end in ends]
        rows.append("    " + repr((*row, *leaves)) + ",")
    return "\n".join([f"BASE = {float(np.ravel(model._baseline_prediction)[0]):.3f}", "TREES = (", *rows, ")"])


DIFFICULTIES = (0.0, 0.5, 1.0)


def measure(plan: Plan) -> Outcome:
    """A round is another seed; each difficulty is a store of its own."""
    runs = [
        Run(f"{difficulty:g}", number, told(*sessions(MEASURED_ON + number, difficulty, plan.of(120, 30))))
        for number in range(plan.rounds)
        for difficulty in DIFFICULTIES
    ]
    columns = {what: medians_of(runs, what) for what in runs[0].values}
    return Outcome(
        workload=(
            "Sessions of orders in a store of 21 days, scripts and people with stolen cards among them; AUC of"
            " `session.automation` against the truth, of the evenness of its pauses alone, and the share of the"
            " scripts at the score that one order in 200 of the others reaches. A round is another seed, the first"
            f" {MEASURED_ON}."
        ),
        runs=runs,
        figures={
            "automation_auc": round(columns["auc"]["0.5"], 4),
            "automation_auc_lowest": round(min(columns["auc"].values()), 4),
        },
        targets={},
        columns=["difficulty", "sessions", "scripted", "AUC", "of evenness alone", "scripts found at 1 in 200"],
        rows=[
            [
                who,
                f"{columns['sessions'][who]:,.0f}",
                f"{columns['scripted'][who]:,.0f}",
                f"{columns['auc'][who]:.3f}",
                f"{columns['evenness_auc'][who]:.3f}",
                f"{columns['found'][who]:.0%}",
            ]
            for who in columns["auc"]
        ],
    )


def told(matrix: NDArray[np.float64], kind: NDArray[np.str_]) -> dict[str, float]:
    score, evenness = (
        matrix[:, DEFINITIONS.names.index(name)] for name in ("session.automation", "session.visits.evenness.1h")
    )
    scripted = kind == "scripted"
    reached = np.quantile(score[~scripted], 1 - 1 / 200)
    return {
        "sessions": len(kind),
        "scripted": int(scripted.sum()),
        "auc": float(roc_auc_score(scripted, score)),
        "evenness_auc": float(roc_auc_score(scripted, np.nan_to_num(evenness, nan=np.nanmedian(evenness)))),
        "found": float((score[scripted] > reached).mean()),
    }


@click.command()
@click.option("--orders-per-day", default=120.0, show_default=True)
def main(orders_per_day: float) -> None:
    """Learn the trees of `session.automation` anew and print them."""
    parts = [sessions(seed, difficulty, orders_per_day) for seed, difficulty in LEARNED_ON]
    matrix, kind = (np.concatenate(part) for part in zip(*parts, strict=True))
    print(table(learned(matrix, kind == "scripted")))


if __name__ == "__main__":
    main()
