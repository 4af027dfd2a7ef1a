"""Contracts, as they are and mutated, read by the compiler and by an interpreter that was written apart."""

from random import Random

from benchmarks.report import Outcome, Plan, Run
from tests.sharing import naive
from tests.sharing.agreement import contracts, differences
from tests.sharing.mutated import mutate


def measure(plan: Plan) -> Outcome:
    cases = plan.of(100_000, 400)
    found = list(differences(seed=6, cases=cases))
    originals = contracts()
    rng = Random(7)
    used = sum(naive.may_be_used(mutate(rng, rng.choice(list(originals.values())))) for _ in range(2_000)) / 2_000
    return Outcome(
        workload=(
            f"{cases:,} pairs of a contract and a salted order that passed the guard: the {len(originals)} contracts of"
            f" sharing/contracts, nine in ten of them mutated ({used:.0%} of which may still be used). The two must"
            " agree on whether a contract may be used, and on every value that its partner gets."
        ),
        runs=[Run("compiler and naive interpreter", 0, {"differences": float(len(found))})],
        figures={"contract_differences": float(len(found)), "contract_cases": float(cases)},
        targets={"contract_differences": "0", "contract_cases": ">= 100,000"},
        columns=["contract", "fields"],
        rows=[[name, ", ".join(term["name"] for term in contract["fields"])] for name, contract in originals.items()],
    )
