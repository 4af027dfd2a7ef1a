"""How much of each fraud's money is found in the simulated store by looking at one order in a hundred.

A model learns from the vectors of a store's first weeks, with the labels known by then, and is judged on the last weeks
of another store whose seed it never saw. Beside it: the dearest orders, a model on the order's own fields, the rules
that come with Amana; and all of it again where nobody takes cookies.
"""

import heapq
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from benchmarks import workload
from benchmarks.report import Outcome, Plan, Run, by_contender
from benchmarks.simulated_store import raw_fields
from events import topics
from events.facts import AnyFact, Coordinates, LabelFact, OrderFact
from events.types import ChargebackReceived, FraudConfirmed, OrderPlaced
from features.definitions import DEFINITIONS
from models import rules
from models.learner import DEFAULT, learn
from models.measures import REVIEW_SHARE
from simulator.frauds import KINDS
from simulator.settings import Settings
from simulator.store import simulate
from vault.keyring import Keyring

Floats = NDArray[np.float64]

LEARNED_ON, JUDGED_ON = 101, 202  # seeds of stores; a round adds its number
LABEL_DELAY_MS = 7 * 86_400_000
WARM_UP_DAYS = 7  # of the judged store: windows must fill
_AMOUNT = DEFINITIONS.names.index("order.amount_usd")


class Store(msgspec.Struct, frozen=True):
    """A store's orders by time: facts, vectors, raw fields, what each was, and when fraud became known (else -1)."""

    facts: list[OrderFact]
    matrix: Floats
    raw: pd.DataFrame
    kind: NDArray[np.str_]
    at_ms: NDArray[np.int64]
    known_ms: NDArray[np.int64]

    @property
    def dollars(self) -> Floats:
        return np.nan_to_num(self.matrix[:, _AMOUNT])


def measure(plan: Plan) -> Outcome:
    days, orders = plan.of(28, 14), plan.of(250, 60)
    runs = [
        run
        for number in range(plan.rounds)
        for refusing, said in ((0.12, ""), (1.0, ", no cookies"))
        for run in judged(number, days, orders, refusing, said)
    ]
    found = {who: {what: median(v) for what, v in named.items()} for who, named in by_contender(runs).items()}
    kinds = ["all", *(kind.name for kind in KINDS)]
    return Outcome(
        workload=(
            f"A store of {days} days and {orders} orders a day, 2 % fraud, difficulty 0.5; learned from one seed, with"
            f" the labels known at its end, judged on another from its day {WARM_UP_DAYS} on. The share of the frauds'"
            " amount among the 1 % of orders that score highest. A round is another pair of seeds."
        ),
        runs=runs,
        figures={
            "simulator_value_recall": round(found["amana"]["all"], 4),
            "simulator_value_recall_without_cookies": round(found["amana, no cookies"]["all"], 4),
        },
        targets={},
        columns=["share of the money found", *(kind.replace("_", " ") for kind in kinds)],
        rows=[
            [who, *(f"{named[kind]:.0%}" if kind in named else "-" for kind in kinds)] for who, named in found.items()
        ],
    )


def judged(number: int, days: int, orders: float, refusing: float, said: str) -> list[Run]:
    settings = Settings(days=days, orders_per_day=orders, customers=round(orders * 10), refusing_cookies=refusing)
    taught = told(msgspec.structs.replace(settings, seed=LEARNED_ON + number))
    tested = told(msgspec.structs.replace(settings, seed=JUDGED_ON + number))
    return [Run(who + said, number, found(tested, score)) for who, score in scores(taught, tested, number).items()]


def scores(taught: Store, tested: Store, seed: int) -> Mapping[str, Floats]:
    rows = np.flatnonzero(taught.at_ms < taught.at_ms[-1] - LABEL_DELAY_MS)
    label = ((taught.known_ms >= 0) & (taught.known_ms <= taught.at_ms[-1])).astype(np.int64)[rows]
    model = learn(
        taught.matrix[rows],
        label,
        taught.at_ms[rows],
        DEFAULT,
        seed=seed,
        words=np.zeros(taught.matrix.shape[1], dtype=bool),
        told=lambda _: None,
    )
    plain = HistGradientBoostingClassifier(max_iter=100, learning_rate=0.08, max_leaf_nodes=15, random_state=seed)
    columns = taught.raw.columns.intersection(tested.raw.columns)
    plain.fit(taught.raw[columns].iloc[rows], label)
    verdicts = rules.default(DEFINITIONS.names).judge(rules.of_facts(tested.facts, tested.matrix))
    fired = np.array([len(verdict.reasons) for verdict in verdicts], dtype=np.float64)
    score = model.scores(tested.matrix)
    return {
        "amana": score,
        "amana, score times amount": score * tested.dollars,
        "amount only": tested.dollars,
        "raw columns": plain.predict_proba(tested.raw[columns])[:, 1],
        "rules only": fired + tested.dollars / (1 + tested.dollars.max()),  # of as many rules, the dearest first
    }


def found(store: Store, score: Floats) -> dict[str, float]:
    """Of the amount of all frauds, and of each kind's, the share among the orders that would be looked at."""
    rows = np.flatnonzero(store.at_ms >= store.at_ms[0] + WARM_UP_DAYS * 86_400_000)
    best = rows[np.argsort(-score[rows], kind="stable")[: max(1, int(REVIEW_SHARE * len(rows)))]]
    seen = np.zeros(len(score), dtype=bool)
    seen[best] = True
    judged = np.zeros(len(score), dtype=bool)
    judged[rows] = True
    groups = {"all": store.kind != ""} | {kind.name: store.kind == kind.name for kind in KINDS}
    money = {name: store.dollars * (group & judged) for name, group in groups.items()}
    return {name: float(of[seen].sum() / of.sum()) for name, of in money.items() if of.sum() > 0}


def told(settings: Settings) -> Store:
    everything = list(simulate(settings))
    events = [one for one in everything if workload.topic(one) != topics.LABELS]
    placed = {one.event.order_id: one for one in events if isinstance(one.event, OrderPlaced)}
    with TemporaryDirectory() as folder:
        keyring = Path(folder) / "keyring.json"
        Keyring.create(keyring, random.Random(7).randbytes)
        taken = workload.intake(keyring).take(list(workload.records(events))).facts
    labels = [one.event for one in everything if isinstance(one.event, ChargebackReceived | FraudConfirmed)]
    facts, matrix = workload.vectors_of(with_labels(taken, labels))
    known: dict[str, int] = {}
    for label in labels:
        known.setdefault(label.order_id, workload.milliseconds(label))
    orders = [placed[fact.order_id] for fact in facts]
    return Store(
        facts,
        matrix,
        raw_fields(one.event for one in orders if isinstance(one.event, OrderPlaced)),
        np.array([one.fraud or "" for one in orders]),
        np.array([fact.occurred_at_ms for fact in facts]),
        np.array([known.get(fact.order_id, -1) for fact in facts]),
    )


def with_labels(facts: Sequence[AnyFact], labels: Sequence[ChargebackReceived | FraudConfirmed]) -> list[AnyFact]:
    """The facts with each label at its time, resolved to its order's entities as the index would."""
    orders = {fact.order_id: fact for fact in facts if isinstance(fact, OrderFact)}
    resolved = [
        LabelFact(
            source=Coordinates(topics.LABELS, f"bench-{topics.LABELS}", 0, number),
            event_id=label.event_id,
            occurred_at_ms=workload.milliseconds(label),
            recorded_at_ms=workload.milliseconds(label),
            entities=orders[label.order_id].entities,
            order_id=label.order_id,
            label="chargeback" if isinstance(label, ChargebackReceived) else "confirmed",
            decision_id=orders[label.order_id].source.text(),
            amount_minor=orders[label.order_id].amount_minor,
            currency=orders[label.order_id].currency,
        )
        for number, label in enumerate(labels)
    ]
    return list(heapq.merge(facts, resolved, key=lambda fact: fact.occurred_at_ms))
