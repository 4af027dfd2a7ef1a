"""Compares the compiler with the naive interpreter, case by case."""

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import yaml

from events import topics
from events.guard import Refusal, admit
from sharing.contracts import FOLDER, parse
from sharing.disclosable import Disclosable, Fulfilment, Request, Verification
from sharing.errors import ContractError, ProjectionError
from sharing.projection import Projection, compile_contract
from tests.sharing import naive
from tests.sharing.mutated import everything, mutate
from tests.sharing.salted import RECORDED_AT_MS, Salted, body

KEY = b"k" * 32


def contracts() -> dict[str, dict[str, Any]]:
    """The contracts that are there, as plain YAML, by file name."""
    return {path.name: yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(Path(FOLDER).glob("*.yaml"))}


def compiled(contract: dict[str, Any]) -> Projection | None:
    """The compiler's answer to a contract: its projection, or None where it is refused."""
    try:
        return compile_contract(parse(yaml.safe_dump(contract, allow_unicode=True), "mutated.yaml"), KEY, naive.ROOTS)
    except ContractError:
        return None


def disclosable(order: dict[str, Any], decision: dict[str, Any]) -> Disclosable:
    """The order as it is once the guard has let it in."""
    event = admit(topics.ORDERS, body(order), RECORDED_AT_MS)
    if isinstance(event, Refusal):
        raise AssertionError(f"the guard refused a generated order: {event}")
    kinds = {"verification": Verification, "fulfilment": Fulfilment, "request": Request}
    parts = {name: msgspec.convert(decision[name], kind) for name, kind in kinds.items() if decision[name]}
    named = {name: decision[name] for name in ("decision_id", "outcome", "verdict", "at_ms")}
    return Disclosable(order=event, reasons=tuple(decision["reasons"]), **named, **parts)  # type: ignore[arg-type]


def message_id(projection: Projection, decision: dict[str, Any]) -> str:
    """The id that the message about that decision has."""
    answered = projection.contract.trigger == "requested" and decision["request"]
    return projection.message_id(decision["decision_id"], decision["request"]["reference"] if answered else "")


def difference(contract: dict[str, Any], projection: Projection | None, made: Salted) -> str | None:
    """What the two do not agree on about a contract and a new order, or None."""
    if (projection is not None) != naive.may_be_used(contract):
        return f"{'accepted' if projection else 'refused'} by the compiler alone: {contract}"
    if projection is None:
        return None
    order, decision = made.order(), made.decision()
    wrong = told_otherwise(contract, projection, order, decision)
    return f"{wrong} under {contract}" if wrong else None


def told_otherwise(
    contract: dict[str, Any], projection: Projection, order: dict[str, Any], decision: dict[str, Any]
) -> str | None:
    """The fields on which the two differ, without values, or None."""
    try:
        expected = naive.told(contract, order, decision)
        expected["jti"] = message_id(projection, decision)
    except naive.Refused:
        expected = {}
    try:
        said = json.loads(projection.project(disclosable(order, decision)))
    except ProjectionError:
        said = {}
    if not said or not expected:
        return None if said == expected else f"{'told' if said else 'refused'} by the compiler alone"
    return ", ".join(sorted(name for name in {*said, *expected} if said.get(name) != expected.get(name))) or None


def differences(seed: int, cases: int, orders_a_contract: int = 4) -> Iterator[str]:
    """Every disagreement over `cases` pairs of a (mostly mutated) contract and an order."""
    rng, made, originals = Random(seed), Salted(seed), [*contracts().values(), everything()]
    for number in range(0, cases, orders_a_contract):
        contract = rng.choice(originals)
        if number % 20:
            contract = mutate(rng, contract)
        projection = compiled(contract)
        for _ in range(orders_a_contract):
            if found := difference(contract, projection, made):
                yield found
