"""What is changed in a source, and how what survived is found again."""

import msgspec
import pytest

from benchmarks.mutants import Mutant, mutants, mutated
from benchmarks.mutation import OtherMutants, Tried, outcome, source_of, survivors
from benchmarks.report import Plan, Result, result_of

SOURCE = '''"""Not this."""
def positive(n: "int") -> bool:
    return n > 0 if n else not True
'''
EVERY = [("sharing.operators.keep", each) for each in mutants(source_of("sharing.operators.keep"))]
LAST = EVERY[-1]


def test_each_change_is_one_and_docstrings_and_annotations_stay() -> None:
    changed = [mutated(SOURCE, each).splitlines()[-1].strip() for each in mutants(SOURCE)]
    assert changed == [
        "return None",
        "return n > 0",
        "return not True",
        "return n >= 0 if n else not True",
        "return n > 1 if n else not True",
        "return n > 0 if n else True",
        "return n > 0 if n else not False",
    ]


def result(tried: list[Tried]) -> Result:
    return result_of("mutation", Plan(10), outcome(tried, len(EVERY)), load_before=0.0, stolen_share=0.0)


def all_but(survivor: tuple[str, Mutant]) -> Result:
    return result([Tried(*each, noticed=each != survivor) for each in EVERY])


def test_what_survived_is_found_again() -> None:
    assert all_but(LAST).figures == {"mutation_score": 1 - 1 / len(EVERY), "mutants_tried": float(len(EVERY))}
    assert survivors(all_but(LAST), EVERY) == [LAST]


@pytest.mark.parametrize(
    "before",
    [
        result([Tried(*LAST, noticed=False)]),
        msgspec.structs.replace(
            all_but(LAST), outcome=msgspec.structs.replace(all_but(LAST).outcome, rows=[["gone:7", "`x`: 1 -> 2"]])
        ),
    ],
    ids=["of a sample", "of other sources"],
)
def test_a_result_of_other_mutants_is_refused(before: Result) -> None:
    with pytest.raises(OtherMutants, match=f"not a result of these {len(EVERY)} mutants; expected `make mutation`"):
        survivors(before, EVERY)
