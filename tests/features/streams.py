"""Random facts, a client that breaks, and a worker that survives it."""

import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
from redis.exceptions import ConnectionError as Unreachable

from events.facts import (
    KINDS,
    ActivityFact,
    AnyFact,
    Coordinates,
    Entities,
    LabelFact,
    OrderFact,
    RefusedOrder,
    VisitFact,
)
from features.errors import Gap
from features.store import Chunk, Store

Run = Callable[[Callable[[Any], Awaitable[Any]]], Any]
START_MS = 1_767_225_600_000  # 2026-01-01
MINUTE_MS = 60_000
LATE_MIN = (1, 2, 5, 6, 9, 30, 70, 1_500, 9_000, 45_000)
TOPICS = {
    OrderFact: "orders",
    RefusedOrder: "orders",
    VisitFact: "visits",
    ActivityFact: "activity",
    LabelFact: "labels",
}
ACTIVITIES = (
    ("LoggedIn", False), ("LoggedIn", True), ("PaymentAttempted", False), ("CredentialsChanged", None),
    ("AddressAdded", None), ("OrderRefunded", None), ("ContestEntered", None),
    ("PaymentAttempted", True), ("AccountRegistered", None), ("ReviewSubmitted", None), ("CallLogged", True),
    ("PolicyAccepted", None),
)  # fmt: skip


class Settings(msgspec.Struct, frozen=True):
    facts: int = 200
    entities: int = 3  # of each kind
    step_min: int = 3  # how far apart facts are at most
    late: float = 0.1
    repeats: float = 0.1
    orders: float = 5  # beside 10 others


def random_facts(rng: random.Random, settings: Settings) -> list[AnyFact]:
    """Facts in the order of one facts partition: some late, some out of order, some repeated from earlier on."""
    facts: list[AnyFact] = []
    offsets: dict[str, int] = {}

    def record(fact: AnyFact) -> None:
        topic = fact.source.topic
        offsets[topic] = offsets.get(topic, -1) + rng.randint(1, 3)
        facts.append(msgspec.structs.replace(fact, source=Coordinates(topic, f"id-{topic}", 0, offsets[topic])))

    now_ms = START_MS
    while len(facts) < settings.facts:
        now_ms += rng.randrange(settings.step_min * MINUTE_MS + 1)
        if rng.random() < 0.01:
            now_ms += rng.choice((1, 20, 40)) * 86_400_000
        late_ms = rng.choice(LATE_MIN) * MINUTE_MS if rng.random() < settings.late else 0
        record(_random_fact(rng, settings, now_ms, late_ms))
        if rng.random() < settings.repeats / 2:  # a publisher sends an event again, which is then at another offset
            record(rng.choice(facts[-10:]))
        if rng.random() < settings.repeats / 5:  # intake crashed and publishes its last facts again
            facts += facts[-rng.randint(1, 10) :]
    return facts


def _random_fact(rng: random.Random, settings: Settings, now_ms: int, late_ms: int) -> AnyFact:
    entities = Entities(**{kind: _entity(rng, settings, kind) for kind in KINDS if rng.random() < 0.8})
    of = rng.choices((OrderFact, VisitFact, ActivityFact, LabelFact, RefusedOrder), (settings.orders, 4, 4, 1, 1))[0]
    common: dict[str, Any] = {
        "source": Coordinates(TOPICS[of], "", 0, 0),
        "event_id": f"e{rng.randrange(10**12)}",
        "occurred_at_ms": now_ms - late_ms,
        "recorded_at_ms": now_ms,
        "entities": entities,
    }
    money = {
        "amount_minor": rng.randrange(10 ** rng.randint(1, 9)),
        "currency": rng.choice(("USD", "KWD", "JPY", "XXX")),
    }
    if of is OrderFact:
        return OrderFact(
            **common,
            **money,
            order_id="o",
            method=rng.choice(("card", "wallet")),
            avs="match",
            promo=rng.choice((None, "promo")),
            shipping_country=rng.choice((None, "SA", "AE", "KW")),
            browser=rng.choice((None, "chrome", "safari")),
        )
    if of is VisitFact:
        route = rng.choice(("/", "/checkout/pay", "/login", "/product/:id"))
        return VisitFact(
            **common,
            route=route,
            status=rng.choice((None, 200, 404)),
            duration_ms=rng.choice((None, rng.randrange(9**6))),
        )
    if of is ActivityFact:
        activity, succeeded = rng.choice(ACTIVITIES)
        with_money = money if activity == "OrderRefunded" else {}
        return ActivityFact(**common, **with_money, activity=activity, succeeded=succeeded)
    if of is LabelFact:
        label = rng.choice(("chargeback", "confirmed", "dismissed"))
        return LabelFact(**common, **money, order_id="o", label=label, decision_id="d")
    return RefusedOrder(**common | {"entities": Entities()}, order_id="o", reason="refused.card_number")


def _entity(rng: random.Random, settings: Settings, kind: str) -> str:
    """One in three is the same: seen with more than its rolls hold, where there are so many."""
    return f"{kind[:2]}{rng.randrange(settings.entities) if rng.random() < 0.67 else 0}"


class Breaking:
    """A client whose script calls sometimes fail, before the server has them or after."""

    def __init__(self, client: Any, rng: random.Random, share: float) -> None:
        self._client, self._rng, self._share = client, rng, share

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def execute_command(self, *arguments: Any) -> Any:
        when = self._rng.random()
        if when < self._share / 2:
            raise Unreachable("before")
        answer = await self._client.execute_command(*arguments)
        if when < self._share:
            raise Unreachable("after")
        return answer


async def work_off(
    store: Store, facts: Sequence[AnyFact], rng: random.Random, longest: int = 60
) -> tuple[list[tuple[int, bytes]], list[tuple[Coordinates, int]]]:
    """Each (offset, vector) decided and each late (source, seconds), by a worker that follows the design's protocol.

    With repeats after crashes; chunks have up to `longest` facts.
    """
    decided: list[tuple[int, bytes]] = []
    late: list[tuple[Coordinates, int]] = []
    committed = position = 0
    while position < len(facts):
        end = min(position + rng.randint(1, longest), len(facts))
        chunk = Chunk(0, position - 1, committed, range(position, end), facts[position:end])
        try:
            applied = await store.apply(chunk)
        except (Unreachable, Gap):
            position = min((await store.fences()).get(0, -1) + 1, committed)
            continue
        decided += [(position + at, row.tobytes()) for at, row in zip(applied.decided, applied.matrix, strict=True)]
        late += [(facts[position + at].source, seconds) for at, seconds in applied.late]
        position = end
        if rng.random() < 0.7:
            committed = max(committed, end)
        elif rng.random() < 0.2:  # a crash between publishing and committing
            position = min((await store.fences()).get(0, -1) + 1, committed)
    return decided, late
