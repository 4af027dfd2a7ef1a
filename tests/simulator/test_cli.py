import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from simulator.cli import simulate
from simulator.settings import Settings
from simulator.store import simulate as simulated

SMALL = ["--seed", "3", "--days", "2", "--customers", "100", "--orders-per-day", "40", "--fraud-share", "0.2"]


def test_a_file_holds_the_events_and_another_the_truth_about_each_order(tmp_path: Path) -> None:
    out = tmp_path / "new" / "store.jsonl"
    done = CliRunner().invoke(simulate, [*SMALL, "--out", str(out)])
    assert done.exit_code == 0, done.output
    told = list(simulated(Settings(seed=3, days=2, customers=100, orders_per_day=40, fraud_share=0.2)))
    assert out.read_bytes() == b"".join(one.body + b"\n" for one in told)
    truth = [json.loads(line) for line in (tmp_path / "new" / "store.truth.jsonl").read_bytes().splitlines()]
    assert truth == [
        {"order_id": one.event.order_id, "is_fraud": one.fraud is not None, "kind": one.fraud}
        for one in told
        if type(one.event).__name__ == "OrderPlaced"
    ]
    assert {line["is_fraud"] for line in truth} == {True, False}


def test_a_mix_of_kinds_can_be_asked_for(tmp_path: Path) -> None:
    out = tmp_path / "store.jsonl"
    mix = ["--mix", "friendly_fraud=1", "--mix", "card_testing=1"]
    done = CliRunner().invoke(simulate, [*SMALL, *mix, "--out", str(out)])
    assert done.exit_code == 0, done.output
    truth = [json.loads(line) for line in out.with_suffix(".truth.jsonl").read_bytes().splitlines()]
    assert {line["kind"] for line in truth} == {None, "friendly_fraud", "card_testing"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--out FILE or --brokers"),
        (["--out", "x", "--rate", "5"], "--rate is for publishing"),
        (["--out", "x", "--difficulty", "7"], "difficulty: 7.0 is not between 0 and 1"),
        (["--out", "x", "--start", "yesterday"], "--start"),
        (["--out", "x", "--mix", "theft=1"], "no kind of fraud is called so; there are card_testing, "),
        (["--out", "x", "--mix", "scripted"], "expected a number after scripted="),
        (["--out", "x", "--mix", "scripted=-1"], "expected a share of 0 or more"),
    ],
)
def test_a_wrong_use_is_named_and_ends_with_2(arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AMANA_BROKERS", raising=False)
    done = CliRunner().invoke(simulate, arguments)
    assert done.exit_code == 2
    assert said in done.output


def test_a_file_that_cannot_be_written_ends_with_1_and_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = CliRunner().invoke(simulate, [*SMALL, "--out", str(tmp_path / "file" / "store.jsonl")])
    assert done.exit_code == 1
    assert done.output.startswith("Error: ")
    assert "Traceback" not in done.output


def test_the_help_shows_examples() -> None:
    assert "amana simulate --seed 7 --days 28" in CliRunner().invoke(simulate, ["--help"]).output
