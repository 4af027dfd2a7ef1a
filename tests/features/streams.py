"""Random facts, a client that breaks, and a worker that survives it."""

import random
from bisect import bisect_right
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
    ("CallLogged", False), ("IdentityVerified", True), ("IdentityVerified", False), ("PolicyAccepted", None),
)  # fmt: skip
CURRENCIES = ("USD", "KWD", "JPY", "XXX")


class Settings(msgspec.Struct, frozen=True):
    facts: int = 200
    entities: int = 3  # of each kind
    step_min: int = 3  # how far apart facts are at most
    late: float = 0.1
    repeats: float = 0.1
    orders: float = 5  # beside 10 others
    named: float = 0.8  # of the kinds of entities, by a fact
    words: int = 2  # of each member that is no entity
    whims: bool = False  # facts are of few kinds for a while: columns come and go
    unnamed: float = 0.0  # facts without any entity
    start_ms: int = START_MS


class Whim(msgspec.Struct, frozen=True):
    """What facts are of for a while."""

    shares: tuple[float, ...]  # of each type of facts
    activities: tuple[tuple[str, bool | None], ...] = ACTIVITIES
    currencies: tuple[str, ...] = CURRENCIES
    below: tuple[int, ...] = tuple(10**power for power in (*range(1, 10), 12))  # amounts
    timed: bool = True  # visits may say how long they took


def random_facts(rng: random.Random, settings: Settings) -> list[AnyFact]:
    """Facts in the order of one facts partition: some late, some out of order, some repeated from earlier on."""
    facts: list[AnyFact] = []
    offsets: dict[str, int] = {}

    def record(fact: AnyFact) -> None:
        topic = fact.source.topic
        offsets[topic] = offsets.get(topic, -1) + rng.randint(1, 3)
        facts.append(msgspec.structs.replace(fact, source=Coordinates(topic, f"id-{topic}", 0, offsets[topic])))

    now_ms, whim = settings.start_ms, Whim((settings.orders, 4, 4, 1, 1))
    while len(facts) < settings.facts:
        now_ms += rng.randrange(settings.step_min * MINUTE_MS + 1)
        if rng.random() < 0.01:
            now_ms += rng.choice((1, 20, 40)) * 86_400_000
        if settings.whims and rng.random() < 0.05:
            whim = _whim(rng, settings)
        late_ms = rng.choice(LATE_MIN) * MINUTE_MS if rng.random() < settings.late else 0
        record(_random_fact(rng, settings, whim, now_ms, late_ms))
        if rng.random() < settings.repeats / 2:  # a publisher sends an event again, which is then at another offset
            record(rng.choice(facts[-10:]))
        if rng.random() < settings.repeats / 5:  # intake crashed and publishes its last facts again
            facts += facts[-rng.randint(1, 10) :]
    return facts


def _whim(rng: random.Random, settings: Settings) -> Whim:
    others = [rng.choice((0, 0, 4)) for _ in range(4)]
    return Whim(
        (settings.orders if rng.random() < 0.7 else settings.orders / 50, *others),
        tuple(rng.sample(ACTIVITIES, rng.randint(1, 3))),
        (rng.choice(CURRENCIES),),
        (rng.choice((1, 10, 10**4, 10**9, 10**12)),),
        rng.random() < 0.5,
    )


def _random_fact(rng: random.Random, settings: Settings, whim: Whim, now_ms: int, late_ms: int) -> AnyFact:
    named = 0 if rng.random() < settings.unnamed else settings.named
    entities = Entities(**{kind: _entity(rng, settings, kind) for kind in KINDS if rng.random() < named})
    of = rng.choices((OrderFact, VisitFact, ActivityFact, LabelFact, RefusedOrder), whim.shares)[0]
    common: dict[str, Any] = {
        "source": Coordinates(TOPICS[of], "", 0, 0),
        "event_id": f"e{rng.randrange(10**12)}",
        "occurred_at_ms": now_ms - late_ms,
        "recorded_at_ms": now_ms,
        "entities": entities,
    }
    money = {"amount_minor": rng.randrange(rng.choice(whim.below)), "currency": rng.choice(whim.currencies)}
    if of is OrderFact:
        return _random_order(rng, settings, common | money)
    if of is VisitFact:
        route = rng.choice(("/", "/checkout/pay", "/login", "/assets/app.js", f"/page{rng.randrange(settings.words)}"))
        return VisitFact(
            **common,
            route=route,
            status=rng.choice((None, 200, 404)),
            duration_ms=rng.choice((None, rng.randrange(9**6))) if whim.timed else None,
            browser=_word(rng, settings, "browser"),
        )
    if of is ActivityFact:
        activity, succeeded = rng.choice(whim.activities)
        with_money = money if activity == "OrderRefunded" else {}
        agency = _word(rng, settings, "agency") if activity == "IdentityVerified" else None
        detail = rng.choice((None, "inconclusive", "quality", "verification"))
        return ActivityFact(
            **common, **with_money, activity=activity, succeeded=succeeded, detail=detail, agency=agency
        )
    if of is LabelFact:
        label = rng.choice(("chargeback", "confirmed", "dismissed"))
        return LabelFact(**common, **money, order_id="o", label=label, decision_id="d")
    return RefusedOrder(**common | {"entities": Entities()}, order_id="o", reason="refused.card_number")


def _random_order(rng: random.Random, settings: Settings, common: dict[str, Any]) -> OrderFact:
    words = ("shipping_country", "ip_country", "browser", "os", "main_category")
    return OrderFact(
        **common,
        **{word: _word(rng, settings, word) for word in words},
        order_id="o",
        method=rng.choice(("card", "wallet")),
        avs="match",
        quantity=rng.choice((0, 1, 3, 100_000)),
        promo=rng.choice((None, "promo")),
    )


def _word(rng: random.Random, settings: Settings, of: str) -> str | None:
    return rng.choice((None, f"{of} {rng.randrange(settings.words)}"))


def _entity(rng: random.Random, settings: Settings, kind: str) -> str:
    """One in three is the same: seen with more than its rolls hold, where there are so many."""
    return f"{kind[:2]}{rng.randrange(settings.entities) if rng.random() < 0.67 else 0}"


def with_holes(rng: random.Random, facts: Sequence[AnyFact]) -> tuple[list[int], list[AnyFact | None]]:
    """Offsets and facts of a log with records that hold no fact (erased) and offsets without a record."""
    offsets: list[int] = []
    log: list[AnyFact | None] = []
    for fact in facts:
        while rng.random() < 0.05:
            log.append(None)
        log.append(fact)
    for _ in log:
        offsets.append((offsets[-1] if offsets else -1) + (1 if rng.random() < 0.95 else rng.randint(2, 5)))
    return offsets, log


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
    store: Store,
    facts: Sequence[AnyFact | None],
    rng: random.Random,
    longest: int = 60,
    offsets: Sequence[int] | None = None,
) -> tuple[list[tuple[int, bytes]], list[tuple[Coordinates, int]]]:
    """Each (place, vector) decided and each late (source, seconds), by a worker that follows the design's protocol.

    With repeats after crashes; chunks have up to `longest` facts, some none.
    """
    at = range(len(facts)) if offsets is None else offsets
    decided: list[tuple[int, bytes]] = []
    late: list[tuple[Coordinates, int]] = []
    committed = position = 0  # places: of the next fact in each case

    async def behind_a_crash() -> int:
        return min(bisect_right(at, (await store.fences()).get(0, -1)), committed)

    while position < len(facts):
        end = min(position + (0 if rng.random() < 0.05 else rng.randint(1, longest)), len(facts))
        previous = at[position - 1] if position else -1
        to_commit = at[committed] if committed < len(at) else at[-1] + 1
        chunk = Chunk(0, previous, to_commit, at[position:end], facts[position:end])
        try:
            applied = await store.apply(chunk)
        except (Unreachable, Gap):
            position = await behind_a_crash()
            continue
        rows = zip(applied.decided, applied.matrix, strict=True)
        decided += [(position + place, row.tobytes()) for place, row in rows]
        for place, seconds in applied.late:
            fact = facts[position + place]
            assert fact is not None
            late.append((fact.source, seconds))
        position = end
        if rng.random() < 0.7:
            committed = max(committed, end)
        elif rng.random() < 0.2:  # a crash between publishing and committing
            position = await behind_a_crash()
    return decided, late
