"""`amana features backfill`: the vectors that an embedded run logged, again, from its facts."""

import io
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet
import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from events.facts import Coordinates, LabelFact
from features.definitions import DEFINITIONS
from history import parquet
from history.errors import ForeignFile
from models.decisions import Decision
from models.decisions import decode as decode_decision
from simulator.settings import Settings as StoreSettings
from simulator.store import simulate
from streams.cli import main
from streams.runs import run_files
from tests.streams.logs_of_facts import MINUTE_MS, RANGE, START_MS, order, write_facts

NOW_MS = 1_798_675_200_000  # 31 December 2026: after all events, while the shipped contracts are in force


class Ran(NamedTuple):
    facts: Path
    decisions: dict[str, Decision]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    base = tmp_path_factory.mktemp("backfill")
    events = islice(simulate(StoreSettings(days=21, orders_per_day=40, customers=100)), 2500)
    (base / "events.jsonl").write_bytes(b"".join(each.body + b"\n" for each in events))
    run_files([base / "events.jsonl"], base / "out", base / "models", NOW_MS, Console(file=io.StringIO()))
    lines = (base / "out" / "decisions.jsonl").read_bytes().splitlines()
    return Ran(base / "out" / "facts.jsonl", {each.decision_id: each for each in map(decode_decision, lines)})


def backfilled(facts: Path, out: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["features", "backfill", "--facts", str(facts), "--out", str(out), *arguments])


def vectors(table: Any) -> dict[str, bytes]:
    matrix = np.ascontiguousarray(np.column_stack([table[name].to_numpy() for name in DEFINITIONS.names]))
    return {name: row.tobytes() for name, row in zip(table["decision_id"].to_pylist(), matrix, strict=True)}


def test_backfilled_vectors_equal_the_logged_ones_byte_for_byte(ran: Ran, tmp_path: Path) -> None:
    result = backfilled(ran.facts, tmp_path / "v.parquet", "--from", "2026-01-01", "--until", "2026-03-01")
    assert result.exit_code == 0, result.stderr
    table = pyarrow.parquet.read_table(tmp_path / "v.parquet")
    assert len(ran.decisions) > 100
    assert vectors(table) == {name: decision.vector for name, decision in ran.decisions.items()}
    assert table.column_names == [
        *("decision_id", "order_id", "occurred_at_ms", "amount_minor", "currency"), *DEFINITIONS.names, "label",
    ]  # fmt: skip
    assert table.schema.metadata[b"amana.definitions"] == DEFINITIONS.hash.encode()
    first = next(iter(ran.decisions.values()))
    assert table.slice(0, 1).select(["order_id", "occurred_at_ms", "amount_minor", "currency"]).to_pylist() == [
        {name: getattr(first, name) for name in ("order_id", "occurred_at_ms", "amount_minor", "currency")}
    ]


def test_a_range_has_the_same_vectors_as_the_whole(ran: Ran, tmp_path: Path) -> None:
    times = sorted(decision.occurred_at_ms for decision in ran.decisions.values())
    day_ms = 86_400_000
    first_day = times[len(times) // 2] // day_ms
    since, until = (str(np.datetime64(first_day + days, "D")) for days in (0, 2))
    assert backfilled(ran.facts, tmp_path / "v.parquet", "--from", since, "--until", until).exit_code == 0
    found = vectors(pyarrow.parquet.read_table(tmp_path / "v.parquet"))
    assert found == {
        name: decision.vector
        for name, decision in ran.decisions.items()
        if first_day <= decision.occurred_at_ms // day_ms < first_day + 2
    }
    assert found


def label(offset: int, order_id: str, kind: Any, minute: int) -> LabelFact:
    return LabelFact(
        source=Coordinates("labels", "labels-id", 0, offset),
        event_id=f"l-{offset}",
        occurred_at_ms=START_MS + minute * MINUTE_MS,
        recorded_at_ms=START_MS + minute * MINUTE_MS,
        order_id=order_id,
        label=kind,
        decision_id="d",
    )


@pytest.mark.parametrize(
    ("labels_at", "expected"),
    [
        ("2026-01-01T00:09:59", [None, None, None]),
        ("2026-01-01T00:10:00", [1, None, None]),
        ("2026-02-02", [0, 1, None]),
        (None, [0, 1, 1]),
    ],
)
def test_labels_are_those_known_at_the_time(tmp_path: Path, labels_at: str | None, expected: list[int | None]) -> None:
    two_months = 60 * 24 * 60
    facts = [
        *(order(offset, offset) for offset in range(3)),
        label(0, "o-0-0", "chargeback", 10),
        label(1, "o-0-1", "confirmed", 12),
        label(2, "o-0-0", "dismissed", 11),
        label(3, "o-0-2", "chargeback", two_months),
    ]
    arguments = [] if labels_at is None else ["--labels-at", labels_at]
    out = tmp_path / "v.parquet"
    result = backfilled(write_facts(tmp_path / "facts.jsonl", facts), out, *RANGE, *arguments)
    assert result.exit_code == 0, result.stderr
    assert pyarrow.parquet.read_table(out)["label"].to_pylist() == expected
    assert parquet.read(out, DEFINITIONS.hash)["label"].to_list() == [each or 0 for each in expected]
    known = [each for each in expected if each is not None]
    assert result.stdout.splitlines()[0] == f"{out}: 3 orders, {len(known)} labelled, {sum(known)} fraud"


def test_late_facts_and_repeats_of_the_log_are_counted(tmp_path: Path) -> None:
    minutes = (10, 5, 4.99, 10.5, 16, 10.99, 10)  # of each partition's clock: in time, in time, late, ..., late, late
    facts = [order(offset, minute) for offset, minute in enumerate(minutes)]
    log = write_facts(tmp_path / "facts.jsonl", [*facts, facts[-1], order(0, 1, partition=1)])
    result = backfilled(log, tmp_path / "v.parquet", *RANGE)
    assert result.stdout.splitlines()[1] == "9 facts read, 1 of them repeats, 3 late"


@pytest.mark.parametrize(
    ("body", "arguments", "message"),
    [
        (b'\n\n{"fact": "order"}\n', RANGE, "{facts}:3: expected a fact"),
        (b"\xff\n", RANGE, "{facts}:1: expected a fact"),
        (
            b'{"fact":"order","source":["orders","id",0,0],"occurred_at_ms":1767225600000}\n',
            RANGE,
            "{facts}:1: expected a fact",
        ),
        (b"", RANGE, "none of 0 facts is of that range"),
        (b"", ("--from", "2026-02-01", "--until", "2026-02-01"), "--from must be before --until"),
    ],
)
def test_bad_input_is_one_line_and_leaves_no_file(
    tmp_path: Path, body: bytes, arguments: tuple[str, ...], message: str
) -> None:
    facts = tmp_path / "facts.jsonl"
    facts.write_bytes(body)
    result = backfilled(facts, tmp_path / "out" / "v.parquet", *arguments)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == f"Error: {message.format(facts=facts)}"
    assert not list((tmp_path / "out").glob("*")) if (tmp_path / "out").exists() else True


def test_a_range_without_an_order_is_a_stated_failure(tmp_path: Path) -> None:
    facts = write_facts(tmp_path / "facts.jsonl", [order(0, 0)])
    result = backfilled(facts, tmp_path / "v.parquet", "--from", "2026-01-02", "--until", "2026-01-03")
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (1, "Error: no order among 1 facts is of that range")
    assert list(tmp_path.glob("*.parquet*")) == []


def test_an_out_that_cannot_be_written_is_said_before_any_fact_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    unreadable = tmp_path / "facts.jsonl"
    unreadable.write_bytes(b"{}\n")
    out = tmp_path / "file" / "v.parquet"
    result = backfilled(unreadable, out, *RANGE)
    assert (result.exit_code, result.stderr) == (1, f"Error: {out} cannot be written: File exists\n")


def test_a_missing_file_is_wrong_usage(tmp_path: Path) -> None:
    assert backfilled(tmp_path / "nothing", tmp_path / "v.parquet", *RANGE).exit_code == 2


def test_training_takes_a_backfilled_file_and_refuses_other_definitions(ran: Ran, tmp_path: Path) -> None:
    out = tmp_path / "v.parquet"
    backfilled(ran.facts, out, "--from", "2026-01-01", "--until", "2026-03-01")
    table = parquet.read(out, DEFINITIONS.hash)
    parquet.write(table, out, "older")
    with pytest.raises(ForeignFile, match="of definitions older, expected"):
        parquet.read(out, DEFINITIONS.hash)
    arguments = ["train", "--vectors", str(out), "--models", str(tmp_path / "models")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1
    assert result.stderr == (
        f"Error: {out} holds vectors of definitions older, expected {DEFINITIONS.hash}: backfill it again\n"
    )
    table.loc[::2, "label"] = 1
    parquet.write(table, out, DEFINITIONS.hash)
    assert CliRunner().invoke(main, arguments).exit_code == 0
    assert CliRunner().invoke(main, [*arguments, "--labels-until", "2026-01-01"]).exit_code == 2
    out.write_bytes(b"nothing")
    assert CliRunner().invoke(main, arguments).stderr == f"Error: {out}: expected a Parquet file\n"
