"""What rules cost: processor time a rule and order, by what a rule looks at, in sets of many rules."""

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import msgspec

from benchmarks import workload
from benchmarks.decide import contender, spent_s
from benchmarks.report import Outcome, Plan, Run, by_contender, medians_of
from events.facts import OrderFact
from features.definitions import DEFINITIONS
from models.rules import Ruleset, default, of_facts, parsed
from models.scoring import Matrix
from streams.log import CHUNK
from vault.keyring import Keyring

MANY = 50  # rules in a set of one sort
LISTED = 10_000  # members of a list
SIZES = (CHUNK, 20, 1)
SORTS: dict[str, Callable[[int], str]] = {
    "one number": lambda n: f"card.orders.count.1h >= {4 + n}",
    "three numbers": lambda n: f"device.orders.count.1h > {n} and order.at_night > 0 and order.amount_usd > {100 + n}",
    "arithmetic": lambda n: (
        f"order.amount_usd / max(customer.orders.sum.30d, 1) * {1 + n} > 3 and order.amount_usd > 9"
    ),
    "texts": lambda n: f'event.method == "card" and event.shipping_country in ("SA", "AE", "EG") and event.lines > {n}',
    "categories": lambda n: f'"phones" in event.categories and event.quantity > {n}',
    "absent": lambda n: f"absent(device.age_s) or device.age_s < {60 * n + 1}",
    "a list": lambda n: f"entity.card in lists.cards and event.amount_minor > {n}",
}


def measure(plan: Plan) -> Outcome:
    with TemporaryDirectory() as folder:
        keyring = Path(folder) / "keyring.json"
        Keyring.create(keyring, random.Random(7).randbytes)
        facts, matrix = workload.screened(keyring, plan.of(5_000, CHUNK))
    cards = [fact.entities.card for fact in facts[: len(facts) // 100] if fact.entities.card]
    sets = {name: ruleset([sort], cards) for name, sort in SORTS.items()}
    sets |= {"all of these": ruleset(list(SORTS.values()), cards), "Amana's own": default(DEFINITIONS.names)}
    runs = [
        Run(f"{name}, {contender(size)}", number, cost(each, facts, matrix, size))
        for number in range(plan.rounds)
        for name, each in sets.items()
        for size in SIZES
    ]
    of_rule = medians_of(runs, "us_per_rule")
    in_chunks = {name: of_rule[f"{name}, {contender(CHUNK)}"] for name in sets}
    values = by_contender(runs)
    return Outcome(
        workload=(
            f"{len(facts):,} orders of a simulated store, judged in chunks by sets of {MANY} rules that look at the"
            f" same sort of thing (all of these: {MANY * len(SORTS)}); the list has {LISTED:,} members. Processor time"
            " of the one process, us an order and rule, and us an order of the whole set; reasons of what fired"
            " included."
        ),
        runs=runs,
        figures={
            "rule_us_per_order": round(max(in_chunks.values()), 4),
            "own_rules_us_per_order": medians_of(runs, "us_per_order")[f"Amana's own, {contender(CHUNK)}"],
        },
        targets={"rule_us_per_order": "< 2"},
        columns=["rules", "fired", *(f"us a rule, in chunks of {contender(size)}" for size in SIZES), "us, whole set"],
        rows=[
            [
                name,
                f"{median(values[f'{name}, {contender(CHUNK)}']['fired']):.2%}",
                *(f"{of_rule[f'{name}, {contender(size)}']:.3f}" for size in SIZES),
                f"{median(values[f'{name}, {contender(CHUNK)}']['us_per_order']):.1f}",
            ]
            for name in sets
        ],
    )


def cost(rules: Ruleset, facts: Sequence[OrderFact], matrix: Matrix, size: int) -> dict[str, float]:
    """Judged as a decision judges: a chunk's columns are made once, of what its rules look at."""
    pieces = [(facts[at : at + size], matrix[at : at + size]) for at in range(0, len(facts), size)][: 5_000 // size]
    pieces = pieces[:500]
    judged = sum(len(part) for part, _ in pieces)
    fired = sum(int(rules.fired(of_facts(*piece)).sum()) for piece in pieces)
    spent = spent_s(lambda part, rows: rules.judge(of_facts(part, rows)), pieces)
    us = 1e6 * spent / judged
    return {"us_per_order": us, "us_per_rule": us / len(rules.rules), "fired": fired / judged / len(rules.rules)}


def ruleset(sorts: Sequence[Callable[[int], str]], cards: Sequence[str]) -> Ruleset:
    """`MANY` rules of each sort, in a file as people write it."""
    random_ = random.Random(7)
    others = [random_.randbytes(17).hex()[:22] for _ in range(LISTED - len(cards))]
    rules = [
        {
            "name": f"r-{at}-{n}",
            "code": "bench.rule",
            "when": sort(n),
            "action": "review",
            "owner": "b",
            "expiry": "never",
        }
        for at, sort in enumerate(sorts)
        for n in range(MANY)
    ]
    file = {"lists": [{"name": "cards", "of": "card", "members": [*cards, *others]}], "rules": rules}
    return parsed(msgspec.json.encode(file).decode(), DEFINITIONS.names)  # JSON is YAML
