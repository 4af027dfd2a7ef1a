"""A hundred thousand salted orders a round under every contract, each way out watched; and leaks planted.

A processor takes a round.
"""

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import NamedTuple

from pytest import MonkeyPatch  # noqa: PT013 - patches outside a test

from benchmarks.report import Outcome, Plan, Run
from tests.sharing.agreement import contracts
from tests.sharing.leaking import checked
from tests.sharing.planted import PLANTS

MUTATED = 4


class Round(NamedTuple):
    """`leaked` counts pieces of canaries, and what was not as the naive interpreter has it."""

    checked: int
    sealed: int
    leaked: int
    bytes_seen: dict[str, int]


def measure(plan: Plan) -> Outcome:
    orders = plan.of(100_000, 60)
    with ProcessPoolExecutor() as pool:
        rounds = list(pool.map(partial(_round, orders), range(plan.rounds)))
    planted = {name: _ways_found(name, plan.of(300, 110)) for name in PLANTS}
    return Outcome(
        workload=(
            f"{orders * plan.rounds:,} salted orders that passed the guard, each under {len(contracts())} contracts,"
            f" one that asks for all that may be asked, and {MUTATED} mutated ones a round; one disclosure in fifty was"
            " sealed, opened again with its partner's key and read; one in five compared with the naive interpreter."
            " One order in a hundred came again with values that fit no type, so that errors are seen. Pieces of eight"
            " letters of a canary count, in the bytes as they are, backwards, in hexadecimal, base64, and escaped. The"
            f" issue's size is `--rounds 10`. {len(PLANTS)} leaks were planted, each by itself."
        ),
        runs=[Run("canaries", number, _values(each)) for number, each in enumerate(rounds)],
        figures={
            "disclosures_checked": float(sum(each.checked for each in rounds)),
            "sealed_and_opened": float(sum(each.sealed for each in rounds)),
            "leaked_canaries": float(sum(each.leaked for each in rounds)),
            "planted_leaks_found": sum(map(bool, planted.values())) / len(planted),
        },
        targets={
            "disclosures_checked": ">= 1,000,000 a contract",
            "leaked_canaries": "0",
            "planted_leaks_found": "1",
        },
        columns=["way out, or planted leak", "bytes watched, or where it was found"],
        rows=[[way, f"{sum(each.bytes_seen.get(way, 0) for each in rounds):,}"] for way in _ways(rounds)]
        + [[name, ", ".join(ways)] for name, ways in planted.items()],
    )


def _round(orders: int, number: int) -> Round:
    each = checked(100 + number, orders, MUTATED)
    leaked = sum(len(found) for found in each.findings().values())
    return Round(each.checked, each.sealed, leaked, dict(each.watch.bytes_seen))


def _ways(rounds: list[Round]) -> list[str]:
    return sorted({way for each in rounds for way in each.bytes_seen})


def _values(each: Round) -> dict[str, float]:
    return {"disclosures": float(each.checked), "sealed": float(each.sealed)}


def _ways_found(name: str, orders: int) -> list[str]:
    with MonkeyPatch.context() as patch:
        PLANTS[name](patch)
        return sorted(checked(2, orders, 2, seal_every=5, compare_every=1, spoil_every=10).findings())
