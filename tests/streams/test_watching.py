"""`amana models watch` over files: a week against the one before."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner, Result

from models import artifact
from streams import watching
from streams.cli import main
from tests.streams.judged import AMOUNT, NAMES, TOLD_BY, decided, label, learnt, order, refused, vectors
from tests.streams.logs_of_facts import write_decisions, write_facts

SPAN = ("--from", "2026-01-03", "--until", "2026-01-05", "--reference-days", "2")
ORDERS = 1_200  # from the first of January to the fourth, evenly


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("watched") / "models"
    learnt(folder)
    return folder


def watch(folder: Path, facts: Any, decisions: Any, *arguments: str, span: tuple[str, ...] = SPAN) -> Result:
    files = ["--facts", str(write_facts(folder / "facts.jsonl", facts))]
    files += ["--decisions", str(write_decisions(folder / "decisions.jsonl", decisions))]
    return CliRunner().invoke(main, ["models", "watch", *files, *span, *arguments])


def report(*arguments: Any, **more: Any) -> dict[str, Any]:
    result = watch(*arguments, "--json", **more)
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def traffic(models: Path | None, later: float = 0.0) -> tuple[list[Any], list[Any]]:
    """Four days of orders; in the window they have `later` more orders of a card behind them."""
    matrix = vectors(ORDERS, 5)
    minutes = np.linspace(0, 4 * 1_440 - 1, ORDERS)
    matrix[minutes >= 2 * 1_440, TOLD_BY] += later
    facts = [order(at, minutes[at], matrix[at, AMOUNT]) for at in range(ORDERS)]
    return facts, decided(facts, matrix, artifact.load(models) if models else None)


def segment(found: dict[str, Any], kind: str, value: str) -> dict[str, Any]:
    (one,) = (each for each in found["segments"] if (each["kind"], each["value"]) == (kind, value))
    return one


def test_the_window_is_held_against_what_its_model_was_trained_on(tmp_path: Path, models: Path) -> None:
    version = artifact.current(models)
    same = report(tmp_path, *traffic(models), "--models", str(models))["trained"]
    assert (same["model"], same["score"]["level"]) == (version, "same")
    assert {each["level"] for each in same["features"]} == {"same"}
    later = report(tmp_path, *traffic(models, later=6.0), "--models", str(models))["trained"]
    assert (later["features"][0]["feature"], later["features"][0]["level"]) == (NAMES[TOLD_BY], "another")
    assert later["score"]["level"] == "another"


def test_without_the_model_at_hand_there_is_nothing_to_hold_it_against(tmp_path: Path, models: Path) -> None:
    assert report(tmp_path, *traffic(models), "--models", str(tmp_path / "none"))["trained"] is None


def test_what_a_model_was_trained_on_is_believed_only_as_it_was_signed(tmp_path: Path, models: Path) -> None:
    shutil.copytree(models.parent, tmp_path / "copied")
    folder = tmp_path / "copied" / models.name
    kept = folder / artifact.current(folder) / "populations.json"
    kept.write_bytes(kept.read_bytes().replace(b"0.1", b"0.2", 1))
    result = watch(tmp_path, *traffic(models), "--models", str(folder))
    assert result.exit_code == 1
    assert "populations.json: content hash" in result.stderr


def test_traffic_that_does_not_change_has_not_moved(tmp_path: Path, models: Path) -> None:
    found = report(tmp_path, *traffic(models))
    everything = segment(found, "all", "all")
    assert (everything["orders"], everything["reference_orders"], everything["level"]) == (600, 600, "same")
    assert {each["level"] for each in found["features"]} == {"same"}
    assert found["model"] == (models / "current").read_text().strip()


def test_what_moved_is_named_first_and_moves_the_scores(tmp_path: Path, models: Path) -> None:
    found = report(tmp_path, *traffic(models, later=5.0))
    assert (found["features"][0]["feature"], found["features"][0]["level"]) == (NAMES[TOLD_BY], "another")
    assert found["features"][1]["level"] == "same"
    everything = segment(found, "all", "all")
    assert everything["level"] == "another"
    assert everything["alert_rate"] > everything["reference_alert_rate"]


def test_orders_are_told_by_country_method_and_cookies(tmp_path: Path, models: Path) -> None:
    found = report(tmp_path, *traffic(models))
    kinds = [each["kind"] for each in found["segments"]]
    assert list(dict.fromkeys(kinds)) == ["all", *watching.KINDS]
    assert segment(found, "country", "SA")["orders"] == segment(found, "method", "wallet")["orders"] == 200
    few = segment(found, "cookies", "refused")
    assert (few["orders"], few["score_psi"], few["level"]) == (150, None, "few")
    assert segment(found, "cookies", "accepted")["level"] == "same"


def test_precision_grows_with_the_labels(tmp_path: Path, models: Path) -> None:
    facts, decisions = traffic(models)
    flagged = [fact for fact, made in zip(facts, decisions, strict=True) if made.outcome != "approve"]
    labels = [label(of, fraud=at % 2 == 0, days=1) for at, of in enumerate(flagged)]
    early = report(tmp_path, [*facts, *labels], decisions, "--labels-at", "2026-01-03")
    late = report(tmp_path, [*facts, *labels], decisions)
    known = [segment(found, "all", "all")["known"] for found in (early, late)]
    assert 0 < known[0] < known[1] == len(flagged)
    assert segment(late, "all", "all")["precision"] == pytest.approx(0.5, abs=0.01)
    assert [day["labelled"] == 1.0 for day in late["cohorts"]] == [True] * 4
    assert early["cohorts"][3]["labelled"] == 0.0


def test_without_a_model_alerts_are_told_and_no_drift_of_scores(tmp_path: Path) -> None:
    facts, decisions = traffic(None)
    found = report(tmp_path, [*facts, refused(ORDERS, 3_000)], [*decisions, *_refusal()])
    assert (found["model"], found["refused"]) == (None, 1)
    assert segment(found, "all", "all")["level"] == "few"
    assert found["features"][0]["psi"] is not None
    shown = watch(tmp_path, facts, decisions).stdout
    assert "no model scored: no drift of scores" in shown


def _refusal() -> list[Any]:
    return decided([refused(ORDERS, 3_000)], np.full((1, len(NAMES)), np.nan), None)


def test_scores_of_another_model_do_not_compare(tmp_path: Path, models: Path) -> None:
    facts, decisions = traffic(models)
    second = learnt(tmp_path / "models", seed=2)
    matrix = np.array([np.frombuffer(each.vector or b"") for each in decisions])
    changed = decided(facts[600:], matrix[600:], second)
    found = report(tmp_path, facts, [*decisions[:600], *changed])
    assert (found["model"], segment(found, "all", "all")["level"]) == (second.version, "few")


def test_only_so_many_vectors_are_held_and_always_the_same(
    tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "SAMPLE", 300)
    first, again = (report(tmp_path, *traffic(models, later=5.0)) for _ in range(2))
    assert first["features"] == again["features"]
    assert (first["features"][0]["feature"], segment(first, "all", "all")["orders"]) == (NAMES[TOLD_BY], 600)


@pytest.mark.parametrize(
    ("span", "message"),
    [
        (("--from", "2026-01-05", "--until", "2026-01-06"), "no order of that range was decided; its reference has"),
        (("--from", "2025-01-05", "--until", "2025-01-06"), "no order of that range was decided on definitions "),
        (("--from", "2026-01-06", "--until", "2026-01-05"), "--from must be before --until"),
    ],
)  # fmt: skip
def test_an_empty_window_is_one_line(tmp_path: Path, span: tuple[str, ...], message: str) -> None:
    result = watch(tmp_path, *traffic(None), span=span)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith(f"Error: {message}")


def test_an_empty_reference_is_said_to_be_few(tmp_path: Path, models: Path) -> None:
    found = report(tmp_path, *traffic(models), span=("--from", "2026-01-01", "--until", "2026-01-05"))
    everything = segment(found, "all", "all")
    assert (everything["reference_orders"], everything["reference_alert_rate"], everything["level"]) == (0, None, "few")
    assert {each["level"] for each in found["features"]} == {"few"}


def test_the_figures_are_written_for_prometheus_and_what_cannot_be_said_is_left_out(
    tmp_path: Path, models: Path
) -> None:
    path = tmp_path / "prom" / "watch.prom"
    result = watch(tmp_path, *traffic(models, later=5.0), "--metrics-file", str(path))
    assert result.exit_code == 0, result.stderr
    lines = path.read_text().splitlines()
    assert 'amana_watch_orders{segment="country",value="SA"} 200.0' in lines
    assert any(line.startswith(f'amana_watch_feature_psi{{feature="{NAMES[TOLD_BY]}"}} ') for line in lines)
    told = {line.partition("{")[0] for line in lines if line.startswith("amana_")}
    assert "amana_watch_precision_ratio" not in told  # no label is known
    assert "amana_watch_score_psi" in told
    assert not any(re.search(r'score_psi\{segment="cookies",value="refused"', line) for line in lines)


def test_the_tables_show_segments_days_and_features(tmp_path: Path, models: Path) -> None:
    shown = watch(tmp_path, *traffic(models, later=5.0)).stdout
    for text in ("Segments", "country SA", "few", "2026-01-03", f"1 of {len(NAMES)} have moved", NAMES[TOLD_BY]):
        assert text in shown


def test_the_page_says_it_in_both_languages_and_loads_nothing(tmp_path: Path, models: Path) -> None:
    facts, decisions = traffic(models, later=5.0)
    facts = [msgspec.structs.replace(fact, method="<b>") for fact in facts]
    page = tmp_path / "deep" / "watch.html"
    result = watch(tmp_path, facts, decisions, "--html", str(page))
    assert result.exit_code == 0, result.stderr
    text = page.read_text()
    for shown in ("Model watch", "متابعة النموذج", "few orders", "طلبات قليلة", NAMES[TOLD_BY], "&lt;b&gt;", "01-03"):
        assert shown in text
    assert not re.search(r"https?:|<script|<link|<img|src=|url\(|<b>", text.replace("http://www.w3.org/2000/svg", ""))
    assert text.count('<td class="n few">') == 1  # who refused cookies
