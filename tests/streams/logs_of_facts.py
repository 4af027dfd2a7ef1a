"""Logs of facts and the decisions that were made on them, as files, for replays."""

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path

from events.facts import AnyFact, Coordinates, Entities, OrderFact
from events.facts import encode as encode_fact
from features.definitions import DEFINITIONS
from features.store import Chunk, Store, connect
from models.decisions import Decision
from models.decisions import encode as encode_decision
from models.policy import Policy
from models.screening import conclude
from streams.screening import placed

START_MS = 1_767_225_600_000  # 2026-01-01
MINUTE_MS = 60_000
RANGE = ("--from", "2026-01-01", "--until", "2026-02-01")


def order(offset: int, minute: float, *, partition: int = 0, recorded: float | None = None) -> OrderFact:
    """An order of the one customer."""
    at_ms = round(START_MS + minute * MINUTE_MS)
    return OrderFact(
        source=Coordinates("orders", "orders-id", partition, offset),
        event_id=f"e-{partition}-{offset}",
        occurred_at_ms=at_ms,
        recorded_at_ms=at_ms if recorded is None else round(START_MS + recorded * MINUTE_MS),
        entities=Entities(customer="c" * 22, card=f"card-{offset % 2}"),
        order_id=f"o-{partition}-{offset}",
        amount_minor=1000,
        currency="USD",
        method="card",
    )


def decided(url: str, applied: Sequence[AnyFact]) -> list[Decision]:
    """What screening decides on facts applied in that order, each to its own facts partition."""

    async def run() -> list[Decision]:
        decisions: list[Decision] = []
        ends: dict[int, int] = {}
        async with connect(url) as client:
            await client.flushall()
            store = Store(client)
            await store.prepare("facts")
            for fact in applied:
                partition = fact.source.partition
                offset = ends.get(partition, 0)
                ends[partition] = offset + 1
                answer = await store.apply(Chunk(partition, offset - 1, offset, [offset], [fact]))
                facts = [fact] if answer.decided and isinstance(fact, OrderFact) else []
                made = conclude(facts, answer.matrix[: len(facts)], None, Policy(0.5, 0.9), DEFINITIONS)
                decisions += placed(made, answer.positions)
        return decisions

    return asyncio.run(run())


def write_facts(path: Path, facts: Iterable[AnyFact]) -> Path:
    path.write_bytes(b"".join(encode_fact(fact) + b"\n" for fact in facts))
    return path


def write_decisions(path: Path, decisions: Iterable[Decision]) -> Path:
    path.write_bytes(b"".join(encode_decision(decision) + b"\n" for decision in decisions))
    return path
