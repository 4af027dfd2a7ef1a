"""The embedded runner over a small simulated store: everything that its folder should hold, and nothing else."""

import io
import json
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from rich.console import Console

from events.types import Label, OrderPlaced
from history.database import make_engine
from models.decisions import Decision
from models.decisions import decode as decode_decision
from review import panels
from sharing.contracts import FOLDER, load
from sharing.errors import TokenError
from sharing.ledger.checkpoints import Signer
from sharing.ledger.receipts import receipt_of
from simulator.settings import Settings as StoreSettings
from simulator.store import simulate
from streams.folders import Occupied
from streams.runs import Summary, run_files, table_of
from streams.told import opener_of
from tests.events.examples import CARD, body, label, order, spoilt
from vault.keyring import Keyring

NOW_MS = 1_790_000_000_000
UNKNOWN_LABEL = body(label("FraudConfirmed", order_id="o-nobody", occurred_at="2026-01-10T00:00:00Z"))
CARD_IN_NOTE = body(spoilt(order(order_id="o-refused", occurred_at="2026-01-08T00:00:00Z"), "items.0.title", CARD))


class Ran(NamedTuple):
    folder: Path
    events: list[Any]
    summary: Summary

    def lines(self, name: str) -> list[dict[str, Any]]:
        path = self.folder / f"{name}.jsonl"
        return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []

    def decisions(self) -> list[Decision]:
        return [decode_decision(line) for line in (self.folder / "decisions.jsonl").read_bytes().splitlines()]


def screen(source: Path, folder: Path) -> Summary:
    return run_files([source], folder, folder / "models", NOW_MS, Console(file=io.StringIO()))


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    base = tmp_path_factory.mktemp("embedded")
    simulated = list(islice(simulate(StoreSettings(days=21, orders_per_day=40, customers=300)), 6000))
    source = base / "events.jsonl"
    source.write_bytes(
        b"\n".join([*(each.body for each in simulated), CARD_IN_NOTE, UNKNOWN_LABEL, b"{broken"]) + b"\n"
    )
    return Ran(base / "out", [each.event for each in simulated], screen(source, base / "out"))


def test_every_order_is_decided_once_in_the_order_in_which_they_came(ran: Ran) -> None:
    placed = [event.order_id for event in ran.events if isinstance(event, OrderPlaced)]
    assert len(placed) > 300
    assert [decision.order_id for decision in ran.decisions()] == [*placed, "o-refused"]
    assert len({decision.decision_id for decision in ran.decisions()}) == len(placed) + 1


def test_all_that_partners_were_told_has_a_receipt(ran: Ran) -> None:
    engine = make_engine(f"sqlite:///{ran.folder}/amana.db")
    covered = panels.signed(engine)
    assert covered >= sum(ran.summary.partners.values()) > 0
    trusted = Signer(Keyring.load(ran.folder / "keyring.json").keys("ledger")).trusted()
    last = panels.receipt(engine, covered - 1)
    assert last is not None
    assert receipt_of(last).checked(trusted).size == covered
    assert panels.receipt(engine, covered) is None
    engine.dispose()


def test_a_refused_order_is_reviewed(ran: Ran) -> None:
    (refused,) = [decision for decision in ran.decisions() if decision.mode == "refused"]
    assert (refused.order_id, refused.outcome) == ("o-refused", "review")
    assert [reason.code for reason in refused.reasons] == ["refused.card_number"]


def test_labels_become_facts_and_an_unknown_orders_label_is_quarantined(ran: Ran) -> None:
    told = [event for event in ran.events if isinstance(event, Label)]
    assert told
    facts = [fact for fact in ran.lines("facts") if fact["fact"] == "label"]
    assert [fact["order_id"] for fact in facts] == [event.order_id for event in told]
    assert all(fact["entities"] for fact in facts)
    assert [entry["reason"] for entry in ran.lines("quarantine")] == [
        "refused.card_number",
        "label.unknown_order",
        "refused.undecodable",
    ]


def test_in_the_order_of_events_nothing_is_late(ran: Ran) -> None:
    assert ran.lines("late") == []


def test_partners_are_told_of_what_their_contracts_say_and_can_open_it(ran: Ran) -> None:
    placed = {event.order_id: event for event in ran.events if isinstance(event, OrderPlaced)}
    flagged = [d for d in ran.decisions() if d.outcome != "approve" and d.order_id in placed]
    blocked = sum(decision.outcome == "block" for decision in flagged)
    assert ran.summary.partners.get("acquirer", 0) == blocked
    assert len(flagged) == ran.summary.partners["carrier"] > 0
    opener = opener_of(ran.folder, "carrier")
    sealed = (ran.folder / "share.carrier.v1.jsonl").read_bytes().splitlines()
    messages = [json.loads(opener.open(each).event) for each in sealed]
    assert [each["tracking_ref"] for each in messages] == [placed[d.order_id].tracking_ref for d in flagged]
    allowed = {"jti", *(term.name for term in load(FOLDER / "carrier.yaml").fields)}
    assert all(set(message) == allowed for message in messages)


def test_what_a_partner_was_told_nobody_else_opens(ran: Ran) -> None:
    sealed = (ran.folder / "share.carrier.v1.jsonl").read_bytes().splitlines()[0]
    with pytest.raises(TokenError):
        opener_of(ran.folder, "acquirer").open(sealed)
    assert (ran.folder / "partners-own" / "carrier.private.json").stat().st_mode & 0o777 == 0o600


def test_the_summary_counts_what_the_folder_holds_and_the_table_shows_the_same(ran: Ran) -> None:
    summary = json.loads((ran.folder / "summary.json").read_bytes())
    assert summary == json.loads(msgspec.json.encode(ran.summary))
    outcomes = Counter(decision.outcome for decision in ran.decisions())
    assert summary["outcomes"] == dict(outcomes)
    assert summary["decisions"] == summary["orders"] == outcomes.total()
    assert summary["judged_by"] == {"rules": summary["orders"] - 1, "refused": 1}
    assert summary["flagged"] == outcomes["review"] + outcomes["block"]
    assert summary["events"] == len(ran.events) + 3
    assert summary["refused"] == 3
    assert summary["refused_by_reason"] == {
        "refused.card_number": 1,
        "label.unknown_order": 1,
        "refused.undecodable": 1,
    }
    console = Console(file=io.StringIO(), width=200)
    console.print(table_of(ran.summary, ran.folder, "Screened"))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    for figure in (
        f"{summary['events']:,}",
        f"{outcomes['approve']:,} approve",
        "1 refused.card_number",
        "1 refused, ",
    ):
        assert figure in shown


def test_the_same_events_under_the_same_keys_give_the_same_bytes(ran: Ran, tmp_path: Path) -> None:
    again = tmp_path / "again"
    again.mkdir()
    (again / "keyring.json").write_bytes((ran.folder / "keyring.json").read_bytes())
    (again / "keyring.json").chmod(0o600)
    screen(ran.folder.parent / "events.jsonl", again)
    for name in ("facts.jsonl", "decisions.jsonl", "quarantine.jsonl"):
        assert (again / name).read_bytes() == (ran.folder / name).read_bytes()


def test_a_folder_that_holds_another_run_is_left_as_it_is(ran: Ran) -> None:
    before = (ran.folder / "facts.jsonl").read_bytes()
    with pytest.raises(Occupied, match="holds another run; give a new folder, or remove it"):
        screen(ran.folder.parent / "events.jsonl", ran.folder)
    assert (ran.folder / "facts.jsonl").read_bytes() == before


def test_nothing_personal_is_in_what_leaves_intake(ran: Ran) -> None:
    names = [
        event.contact.name.encode() for event in ran.events if isinstance(event, OrderPlaced) and event.contact.name
    ]
    for file in ("facts", "decisions", "quarantine"):
        text = (ran.folder / f"{file}.jsonl").read_bytes()
        assert not [name for name in names if name in text]
        assert CARD.encode() not in text
