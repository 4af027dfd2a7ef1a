"""The benchmarks still run, and their files have the form that is read later; their figures are not judged here."""

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from benchmarks import __main__ as command
from benchmarks.report import Outcome, Plan, Result, Run, document, medians_of, result_of, write
from benchmarks.stopwatch import Stopwatch

ROOT = Path(__file__).parents[2]
RUNS = [Run("ours", 0, {"per_s": 10.0}), Run("theirs", 0, {"per_s": 4.0}), Run("ours", 1, {"per_s": 20.0})]
OUTCOME = Outcome(
    "Two runs.", RUNS, {"ours_vs_theirs": 3.75}, {"ours_vs_theirs": ">= 3"}, ["who", "a second"], [["ours", "15"]]
)


def test_the_cheapest_benchmark_writes_a_result_of_the_agreed_form(tmp_path: Path) -> None:
    arguments = [sys.executable, "-m", "benchmarks", "transport", "--quick", "--out", str(tmp_path)]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    written = msgspec.json.decode((tmp_path / "transport.json").read_bytes(), type=Result)
    assert written.plan == Plan(rounds=1, quick=True)
    assert {run.contender for run in written.outcome.runs} == {"chunked", "stock"}
    assert list(written.figures) == ["chunked_vs_stock"]
    assert {"cpu", "cores", "memory_gb", "kernel"} < set(written.machine)
    assert {"python", "kafka-python", "redis", "faust-streaming", "aiokafka", "scikit-learn"} < set(written.versions)


def test_medians_and_spread_are_over_rounds_by_contender() -> None:
    result = result_of("made-up", Plan(2), OUTCOME, load_before=0.5, stolen_share=0.125)
    assert medians_of(RUNS, "per_s") == {"ours": 15.0, "theirs": 4.0}
    assert result.medians["ours"] == {"per_s": 15.0}
    assert result.spread["ours"] == {"per_s": (10.0, 20.0)}


def test_figures_are_a_flat_map_of_name_to_number(tmp_path: Path) -> None:
    path = write(result_of("made-up", Plan(2), OUTCOME, load_before=0.5, stolen_share=0.125), tmp_path)
    assert json.loads(path.read_text())["figures"] == {"ours_vs_theirs": 3.75}


def test_a_result_replaces_its_part_of_the_document_and_nothing_else(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("Before.\n<!-- made-up -->\nold\n<!-- /made-up -->\nAfter.\n")
    result = result_of("made-up", Plan(2), OUTCOME, load_before=0.5, stolen_share=0.125)
    document([result], page)
    document([result], page)
    text = page.read_text()
    assert text.startswith("Before.\n<!-- made-up -->\n| figure | measured | target |")
    assert text.endswith("<!-- /made-up -->\nAfter.\n")
    assert text.count("| ours | 15 |") == 1
    assert "load average 0.5 before; the host gave 12 % of the processors to others" in text
    assert "old" not in text


def test_a_document_without_the_place_is_left_as_it_was(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("Nothing here.\n")
    with pytest.raises(ValueError, match="made-up"):
        document([result_of("made-up", Plan(2), OUTCOME, load_before=0.5, stolen_share=0.125)], page)
    assert page.read_text() == "Nothing here.\n"


def test_a_page_has_a_place_for_every_benchmark() -> None:
    for name in command.NAMES:
        page = command.page_of(name).read_text()
        assert f"<!-- {name} -->\n" in page
        assert f"<!-- /{name} -->" in page


def test_an_inner_parts_time_is_taken_off_the_outer_ones() -> None:
    watch = Stopwatch()
    with watch.measure("outer"), watch.measure("inner"):
        sum(range(300_000))
    assert watch.spent["outer"].processor_s < watch.spent["inner"].processor_s / 10
