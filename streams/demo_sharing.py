"""The end of `amana demo`: an order, and what each partner got of it, side by side with what stayed behind.

Analysts, who here know the truth, decide the flagged cases; a batch leaves; a request of the law is approved and
answered. What is shown was opened with each partner's own key.
"""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import msgspec
from rich.table import Table
from rich.text import Text

from events.types import IdentityVerified, OrderPlaced
from review.cases import Case, Verdict
from review.desk import Desk
from review.joining import orders_of
from review.policy import Policy
from review.store import CaseStore, SubjectKeyTable
from review.triggers import put
from sharing import batches
from sharing.asking import Requests
from sharing.contracts import FOLDER, Contract, load
from sharing.fields import FIELDS
from sharing.ledger.store import Ledger
from sharing.operators import Disclose, Echo, Keep, Last4
from sharing.projecting import begun
from sharing.projector import contract_hash
from sharing.requests import LawRequest
from simulator.journal import Simulated
from streams.embedded import Embedded
from streams.told import opener_of
from vault.envelopes import Envelopes
from vault.keyring import Keyring

PARTNERS = ("acquirer", "verification-agency", "law-enforcement", "fellow-merchant", "carrier", "successor")
VERIFIED_EVERY = 8  # orders to one whose customer was verified by an agency shortly before
LEFT_OPEN = 25  # the newest cases, for whoever tries the console
CHECKS = ("document", "address", "liveness", "phone")
NO_ORDER = (
    "No table of what partners got: no flagged order of a known fraud is there to show. A larger store has some:"
    " --days 56 --orders-per-day 1000."
)
ASKED = ("name", "phone", "shipping", "ip")
REFERENCE = "LE-2026-0042"
_DAY_MS = 86_400_000


class Shown(NamedTuple):
    """An order, what each partner got of it (None: nothing), the contracts by which it did; for whom it still waits."""

    order: OrderPlaced
    got: Mapping[str, dict[str, Any] | None]
    contracts: Mapping[str, Contract]
    waits: frozenset[str] = frozenset()


def verified(events: Iterable[Simulated]) -> Iterator[Simulated]:
    """The same events; before some orders, whoever places them, an agency's answer about the customer."""
    for event in events:
        order = event.event
        if isinstance(order, OrderPlaced) and crc32(order.order_id.encode()) % VERIFIED_EVERY == 0:
            answer = _answer(order)
            yield Simulated(answer, msgspec.json.encode(answer), None)
        yield event


def _answer(order: OrderPlaced) -> IdentityVerified:
    chance = crc32(order.event_id.encode())
    return IdentityVerified(
        event_id=f"v{order.event_id}",
        occurred_at=order.occurred_at,
        customer_id=order.customer_id,
        agency="verification-agency",
        verification_ref=f"ver-{chance:08x}",
        checks=(CHECKS[chance % len(CHECKS)],),
        result="failed" if chance % 3 == 0 else "passed",
    )


def decided(runner: Embedded, keyring: Path, truth: Mapping[str, bool], now_ms: int) -> None:
    """A verdict on every flagged order whose truth is known, but for the newest; partners are told, batches leave."""
    engine = runner.telling.projecting.engine
    store, envelopes = CaseStore(engine), Envelopes(Keyring.load(keyring), SubjectKeyTable(engine), os.urandom)
    desk = Desk(engine, leaves_ms=0, policy=Policy())  # whoever knows the truth needs no second look
    held = store.list("open", limit=100_000)
    for case in held[min(LEFT_OPEN, len(held) // 4) :]:
        known = {truth.get(each.order_id) for each in orders_of(engine, case)}
        if known in ({True}, {False}):  # what speaks of several orders is true of all, or is left to people
            reason = envelopes.seal(case.subject, case.order_id, "reason", b"known from the simulation")
            verdict: Verdict = "confirm_fraud" if True in known else "dismiss"
            desk.decide(case, verdict, reason=reason, actor="noura", now_ms=now_ms)
    runner.tell()
    runner.telling.projecting.release(early=True)
    runner.tell()


def asked(runner: Embedded, case: Case, now_ms: int) -> None:
    """A request of the law for that case: entered by one officer, approved by two others, answered."""
    engine, requests = runner.telling.projecting.engine, Requests(Ledger(), os.urandom)
    contract = load(FOLDER / "law-enforcement.yaml")
    request = LawRequest(
        reference=REFERENCE,
        partner=contract.partner,
        case_id=case.decision_id,
        fields=ASKED,
        basis="made up for the demo: Anti-Cyber Crime Law, article 4",
        asked_at_ms=now_ms,
        expires_at_ms=now_ms + 14 * _DAY_MS,
        asked_by="noura",
    )
    with begun(engine) as connection:
        requests.ask(connection, request, contract, now_ms)
        requests.move(connection, REFERENCE, "approve", "faisal", now_ms)
        requests.move(connection, REFERENCE, "approve", "maha", now_ms)
        requests.move(connection, REFERENCE, "answer", "noura", now_ms)
        put(connection, "requested", [case.decision_id], REFERENCE)
    runner.tell()


def shown(runner: Embedded, folder: Path, orders: Mapping[str, OrderPlaced], now_ms: int) -> Shown | None:
    """One order that as many partners as can be were told of, after the law has asked for it. None without a case."""
    case = _chosen(runner, orders)
    if case is None:
        return None
    asked(runner, case, now_ms)
    runner.flush()
    contracts = {name: load(FOLDER / f"{name}.yaml") for name in PARTNERS}
    ids = _ids(runner, case, contracts)
    got = {name: _opened(folder, name, ids.get(name)) for name in PARTNERS}
    waiting = runner.telling.projecting.waits_for(case.decision_id)
    waits = frozenset(name for name, contract in contracts.items() if contract_hash(contract) in waiting)
    return Shown(orders[case.order_id], got, contracts, waits)


def _chosen(runner: Embedded, orders: Mapping[str, OrderPlaced]) -> Case | None:
    """Of the cases, one with the most partners told; of those the earliest."""
    store = CaseStore(runner.telling.projecting.engine)
    cases = [each for each in store.list(limit=100_000) if each.order_id in orders and each.verdict == "confirm_fraud"]
    contracts = {name: load(FOLDER / f"{name}.yaml") for name in PARTNERS}
    ranked = [(-len(_ids(runner, case, contracts)), case.opened_at_ms, case.decision_id, case) for case in cases]
    return min(ranked)[-1] if ranked else None


def _ids(runner: Embedded, case: Case, contracts: Mapping[str, Contract]) -> dict[str, str]:
    """The message about the case, or about the group it is counted in, that each partner got first."""
    names = {contract_hash(contract): name for name, contract in contracts.items()}
    return {
        names[contract]: jti
        for contract, jti in runner.telling.projecting.first_told(case.decision_id)
        if contract in names
    }


def _opened(folder: Path, partner: str, jti: str | None) -> dict[str, Any] | None:
    path = folder / f"share.{partner}.v1.jsonl"
    if jti is None or not path.exists():
        return None
    opener = opener_of(folder, partner)
    for line in path.read_bytes().splitlines():
        token = opener.open(line)
        if token.jti == jti:
            return {name: value for name, value in json.loads(token.event).items() if name != "jti"}
    return None


def tables_of(what: Shown) -> tuple[Table, Table]:
    """The order as the store has it; then a row a partner: what it got, and what of the order stayed behind.

    What stayed behind is struck out: in yellow where the partner got something made of it, and not the value itself.
    """
    there = list(order_values(what.order))
    own = Table("field", "value", title=f"The store's own record of order {what.order.order_id}", title_justify="left")
    for path, value in there:
        own.add_row(path, Text(_cut(value)))
    title = f"What {len(what.got)} partners got of order {what.order.order_id}"
    table = Table("partner", "what it got, opened with its own key", "what stayed behind", title=title,
                  title_justify="left", show_lines=True)  # fmt: skip
    for name, got in what.got.items():
        contract = what.contracts[name]
        term = f"{name}\n{_words(contract.purpose)}\n{contract.trigger}, {contract.delivery}"
        table.add_row(
            Text(term),
            _told(got, contract, waits=name in what.waits),
            _behind([path for path, _ in there], contract, got or {}),
        )
    return own, table


def _words(purpose: str) -> str:
    """`dpv:DisputeManagement` as words, so that a narrow column breaks between them."""
    return re.sub("(?<=[a-z])(?=[A-Z])", " ", purpose.removeprefix("dpv:")).lower()


def _behind(paths: Iterable[str], contract: Contract, got: Mapping[str, Any]) -> Text:
    told = [term for term in contract.fields if term.name in got]
    whole = {path for term in told if isinstance(term, Keep | Echo | Disclose | Last4) for path in _rows(term.name)}
    drawn_on = {path for term in told for path in _rows(term.name)}
    kept = [Text(path, "strike yellow" if path in drawn_on else "strike dim") for path in paths if path not in whole]
    return Text(" ").join(kept)


def _told(got: Mapping[str, Any] | None, contract: Contract, *, waits: bool) -> Text:
    if got is None and waits:
        size = max(batches.K, contract.release.group_of if contract.release else batches.K)
        return Text(f"nothing yet: waits for a group of {size}, among which nobody can be told apart", style="dim")
    if got is None:
        return Text("nothing: of this order there is nothing that its contract lets it know", style="dim")
    return Text("\n".join(f"{name}: {_plain(value) or 'none'}" for name, value in got.items()))


def _cut(value: str, limit: int = 60) -> str:
    return value if len(value) <= limit else f"{value[:limit]}…"


def order_values(order: OrderPlaced) -> Iterator[tuple[str, str]]:
    """Its values by path; an address, or the list of items, is one."""
    for name, value in msgspec.to_builtins(order).items():
        if name in {"contact", "payment"}:
            yield from ((f"{name}.{inner}", _plain(each)) for inner, each in value.items())
        elif name != "type":
            yield name, _plain(value)


def _rows(name: str) -> tuple[str, ...]:
    """The order's values, as `order_values` names them, that a message's field is read from."""
    source = FIELDS[name].source
    if source is None:
        return ()
    if FIELDS[name].shape == "amount":
        return source, "currency"
    first = source.partition(".")[0]
    return (source if first in {"contact", "payment"} else first,)


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(_plain(each) for each in value.values())
    return ", ".join(map(_plain, value)) if isinstance(value, list | tuple) else str(value)
