"""`amana features audit`: what differs is found, and named by its cause."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner, Result

from events.facts import AnyFact
from events.facts import encode as encode_fact
from models.decisions import Decision
from models.decisions import encode as encode_decision
from streams.audit import audit
from streams.cli import main
from streams.replay import Record, Scope
from tests.streams.logs_of_facts import RANGE, START_MS, decided, order, write_decisions, write_facts

IN_ORDER = [order(offset, minute) for offset, minute in enumerate((0, 3, 4, 20, 50))]
# The third came a quarter of an hour late.
WITH_A_LATE_ONE = [order(0, 0), order(1, 3), order(2, 25), order(3, 10), order(4, 50)]


class Audited(NamedTuple):
    result: Result
    report: dict[str, Any]

    @property
    def causes(self) -> dict[str, str]:
        return {each["order_id"]: each["cause"] for each in self.report["differences"]}


def audited(folder: Path, facts: list[AnyFact], decisions: list[Decision], *arguments: str) -> Audited:
    files = [
        *("--facts", str(write_facts(folder / "facts.jsonl", facts))),
        *("--decisions", str(write_decisions(folder / "decisions.jsonl", decisions))),
    ]
    result = CliRunner().invoke(main, ["features", "audit", *files, *RANGE, "--json", *arguments])
    return Audited(result, json.loads(result.stdout) if result.stdout else {})


def tampered(decision: Decision) -> Decision:
    vector = np.frombuffer(decision.vector or b"").copy()
    vector[0] += 1
    return msgspec.structs.replace(decision, vector=vector.tobytes())


def test_a_log_without_late_facts_is_equal(tmp_path: Path, embedded_redis: Any) -> None:
    facts = [*IN_ORDER[:3], *IN_ORDER[1:]]  # intake crashed and published two of them again
    found = audited(tmp_path, facts, decided(embedded_redis.url, facts), "--out", str(tmp_path / "figures.json"))
    assert found.result.exit_code == 0, found.result.stderr
    figures = json.loads((tmp_path / "figures.json").read_bytes())
    assert figures == found.report["figures"]
    assert (figures["orders"], figures["equal"], figures["differing"], figures["rate"]) == (5, 5, {}, 0.0)
    assert (figures["facts"], figures["repeats"]) == (7, 2)


def test_a_late_fact_is_the_cause_that_is_named(tmp_path: Path, embedded_redis: Any) -> None:
    found = audited(tmp_path, WITH_A_LATE_ONE, decided(embedded_redis.url, WITH_A_LATE_ONE))
    assert found.result.exit_code == 0, found.result.stderr
    assert found.causes == {"o-0-2": "late fact", "o-0-3": "late fact"}
    before, late = sorted(found.report["differences"], key=lambda each: each["order_id"])
    assert (before["facts"], late["facts"]) == (["orders-id:0:3"], ["orders-id:0:2"])
    assert {"feature": "customer.orders.count.1h", "logged": 2.0, "recomputed": 3.0} in before["features"]
    assert found.report["figures"]["differing"] == {"late fact": 2}
    assert found.report["figures"]["rate"] == 0.4


def test_as_applied_one_partition_is_equal_byte_for_byte(tmp_path: Path, embedded_redis: Any) -> None:
    decisions = decided(embedded_redis.url, WITH_A_LATE_ONE)
    found = audited(tmp_path, WITH_A_LATE_ONE, decisions, "--as-applied")
    assert (found.result.exit_code, found.causes) == (0, {})
    spoilt = [*decisions[:3], tampered(decisions[3]), *decisions[4:]]
    assert audited(tmp_path, WITH_A_LATE_ONE, spoilt, "--as-applied").causes == {"o-0-3": "unexplained"}


class OneLog:
    """Records with their offsets, as a topic has them."""

    def __init__(self, records: list[Record]) -> None:
        self._records = records
        self.total, self.cut, self.offsets = float(len(records)), False, True

    async def records(self, on_read: Callable[[float], None]) -> AsyncIterator[list[Record]]:
        on_read(self.total)
        yield self._records

    def unreadable(self, partition: int, number: int, expected: str = "a fact") -> None:
        raise AssertionError((partition, number, expected))


def test_of_facts_of_two_partitions_it_is_known_which_crossed(embedded_redis: Any) -> None:
    one, other, last = order(0, 0), order(0, 0.5, partition=1), order(1, 10)
    decisions = decided(embedded_redis.url, [other, one, last])
    assert [decision.positions for decision in decisions] == [(), ((1, 0),), ((1, 0),)]
    facts = OneLog([Record(f.source.partition, f.source.offset, encode_fact(f)) for f in (one, last, other)])
    log = OneLog([Record(0, number, encode_decision(decision)) for number, decision in enumerate(decisions)])
    report = asyncio.run(audit(facts, log, Scope(START_MS, START_MS + 3_600_000), lambda *_: lambda _: None))
    assert {each.order_id: (each.cause, each.facts) for each in report.differences} == {
        "o-0-0": ("crossed", ("orders-id:1:0",)),
        "o-1-0": ("crossed", ("orders-id:0:0",)),
    }


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), "files do not say their offsets there"),
        (("--as-applied",), "no log says in which order those were applied: expected one"),
    ],
)
def test_facts_of_two_partitions_are_not_audited_from_files(
    tmp_path: Path, arguments: tuple[str, ...], expected: str
) -> None:
    found = audited(tmp_path, [order(0, 0), order(0, 0.5, partition=1)], [], *arguments)
    assert found.result.exit_code == 1
    assert expected in found.result.stderr.splitlines()[-1]


def test_a_tampered_vector_is_unexplained_and_the_exit_code_1(tmp_path: Path, embedded_redis: Any) -> None:
    first, *others = decided(embedded_redis.url, IN_ORDER)
    found = audited(tmp_path, IN_ORDER, [tampered(first), *others])
    assert (found.result.exit_code, found.causes) == (1, {"o-0-0": "unexplained"})
    (changed,) = found.report["differences"][0]["features"]
    assert (changed["logged"], changed["recomputed"]) == (1.0, 0.0)


def test_a_decision_on_a_store_with_a_gap_says_so(tmp_path: Path, embedded_redis: Any) -> None:
    first, *others = decided(embedded_redis.url, IN_ORDER)
    flagged = msgspec.structs.replace(tampered(first), flags=("history.gap",))
    found = audited(tmp_path, IN_ORDER, [flagged, *others])
    assert (found.result.exit_code, found.causes) == (0, {"o-0-0": "rebuilt after a gap"})


def test_the_highest_revision_with_a_vector_counts_and_the_first_of_equals(tmp_path: Path, embedded_redis: Any) -> None:
    first, *others = decided(embedded_redis.url, IN_ORDER)
    by_analyst = msgspec.structs.replace(first, revision=2, mode="analyst", vector=None, definitions=None)
    fallback = msgspec.structs.replace(tampered(first), revision=0)
    decisions = [fallback, first, tampered(first), by_analyst, *others]
    assert audited(tmp_path, IN_ORDER, decisions).causes == {}


def test_what_cannot_be_compared_is_counted(tmp_path: Path, embedded_redis: Any) -> None:
    first, second, third, *_ = decided(embedded_redis.url, IN_ORDER)
    elsewhere = msgspec.structs.replace(first, decision_id="orders-id:0:99")
    foreign = msgspec.structs.replace(second, definitions="older")
    figures = audited(tmp_path, IN_ORDER, [elsewhere, foreign, third]).report["figures"]
    counted = ("orders", "without_decision", "without_fact", "other_definitions")
    assert [figures[name] for name in counted] == [1, 3, 1, 1]


@pytest.mark.parametrize(
    ("decisions", "message"),
    [
        (b"", "Error: no order of that range has a logged vector of definitions "),
        (b"\n{}\n", "Error: {folder}/decisions.jsonl:2: expected a decision"),
    ],
)
def test_bad_input_is_one_line(tmp_path: Path, decisions: bytes, message: str) -> None:
    write_facts(tmp_path / "facts.jsonl", IN_ORDER)
    (tmp_path / "decisions.jsonl").write_bytes(decisions)
    files = ["--facts", str(tmp_path / "facts.jsonl"), "--decisions", str(tmp_path / "decisions.jsonl")]
    result = CliRunner().invoke(main, ["features", "audit", *files, *RANGE])
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith(message.format(folder=tmp_path))


def test_facts_without_decisions_are_wrong_usage(tmp_path: Path) -> None:
    write_facts(tmp_path / "facts.jsonl", IN_ORDER)
    result = CliRunner().invoke(main, ["features", "audit", "--facts", str(tmp_path / "facts.jsonl"), *RANGE])
    assert result.exit_code == 2


def test_the_rate_is_written_for_prometheus(tmp_path: Path, embedded_redis: Any) -> None:
    metrics = tmp_path / "prom" / "audit.prom"
    decisions = decided(embedded_redis.url, WITH_A_LATE_ONE)
    audited(tmp_path, WITH_A_LATE_ONE, decisions, "--metrics-file", str(metrics))
    lines = metrics.read_text().splitlines()
    assert "amana_features_audit_mismatch_ratio 0.4" in lines
    assert "amana_features_audit_orders 5.0" in lines
    assert 'amana_features_audit_differing{cause="late fact"} 2.0' in lines
    assert 'amana_features_audit_differing{cause="unexplained"} 0.0' in lines


def test_the_table_shows_what_differs_and_the_rate(tmp_path: Path, embedded_redis: Any) -> None:
    facts = write_facts(tmp_path / "facts.jsonl", WITH_A_LATE_ONE)
    decisions = write_decisions(tmp_path / "decisions.jsonl", decided(embedded_redis.url, WITH_A_LATE_ONE))
    arguments = ["features", "audit", "--facts", str(facts), "--decisions", str(decisions), *RANGE]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0
    for shown in ("late fact", "o-0-3", "40.000%", "rate of differing"):
        assert shown in result.stdout
