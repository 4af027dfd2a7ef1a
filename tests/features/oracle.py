"""The naive twin of the feature engine: it keeps every applied fact of every entity, and scans them all."""

from collections.abc import Callable, Iterator
from hashlib import blake2b
from math import isnan, nan, sqrt
from typing import Any

from events.facts import KINDS, AnyFact, Coordinates, OrderFact, RefusedOrder, VisitFact
from features.automation import TREES, Automation
from features.declared import Definitions, Feature
from features.formulas import Burst, Decayed, Deviation, Evenness, Mean, Quantity, Ratio, Score, Share
from features.numbers import LATENESS_S, REPEATED_S, WINDOWS, Age, Direct, Distinct, Earliest, First, Since, Windowed
from features.sources import SOURCES, class_of
from features.visit import Begun, Joined, Pace, Reached, Straight, Visit

Seen = tuple[int, AnyFact, int | None, str]  # second, fact, amount, class


class Oracle:
    """Facts of one facts partition, one after another."""

    def __init__(self, definitions: Definitions) -> None:
        self.definitions = definitions
        self.seen: dict[tuple[str, str], list[Seen]] = {}
        self.sources: dict[tuple[str, int], int] = {}
        self._inside_of: dict[tuple[str, str, bool], list[Seen]] = {}  # of the order that is read: it is asked often
        self.clock = 0
        self.late: dict[Coordinates, int] = {}  # by how many seconds
        self.events: set[tuple[str, type, int]] = set()

    def apply(self, fact: AnyFact) -> list[float] | None:
        """The fact's vector if it is an order or a refused one and no repeat."""
        source = (fact.source.topic_id, fact.source.partition)
        if fact.source.offset <= self.sources.get(source, -1):
            return None
        self.sources[source] = fact.source.offset
        if not isinstance(fact, RefusedOrder):
            self.clock = max(self.clock, fact.occurred_at_ms // 1000)
        if self._is_repeated(fact):
            return None
        if (
            not isinstance(fact, RefusedOrder)
            and _minute(fact.occurred_at_ms // 1000) < _minute(self.clock) - LATENESS_S
        ):
            self.late[fact.source] = self.clock - fact.occurred_at_ms // 1000
        vector = self._vector(fact) if isinstance(fact, OrderFact | RefusedOrder) else None
        for entity in self._touched(fact):
            self.seen.setdefault(entity, []).append(
                (fact.occurred_at_ms // 1000, fact, self._amount(fact), class_of(fact))
            )
        return vector

    def _is_repeated(self, fact: AnyFact) -> bool:
        if isinstance(fact, RefusedOrder) or fact.occurred_at_ms // 1000 < self.clock - REPEATED_S:
            return False
        event = (fact.event_id, type(fact), fact.occurred_at_ms)
        again = event in self.events
        self.events.add(event)
        return again

    def _touched(self, fact: AnyFact) -> Iterator[tuple[str, str]]:
        for kind in self.definitions.columns:
            pseudonym = getattr(fact.entities, kind)
            counted = any(_is_of(fact, source) for source in self.definitions.sources(kind))
            if pseudonym is not None and (counted or isinstance(fact, OrderFact)):
                yield kind, pseudonym

    def _amount(self, fact: AnyFact) -> int | None:
        if isinstance(fact, VisitFact):
            return fact.duration_ms
        amount, currency = getattr(fact, "amount_minor", None), getattr(fact, "currency", None)
        if amount is None or currency is None:
            return None
        return self.definitions.rates.cents(amount, currency, fact.occurred_at_ms)

    def _vector(self, order: OrderFact | RefusedOrder) -> list[float]:
        self._inside_of.clear()
        if isinstance(order, RefusedOrder):
            return [nan] * len(self.definitions.names)
        return [self._value(feature, order) for feature in self.definitions.features]

    def _value(self, feature: Feature, order: OrderFact) -> float:
        if isinstance(feature, Direct):
            functions = {f.__name__: f for _, f in self.definitions.functions}
            return functions[feature.function](order, self.definitions.rates)
        if isinstance(feature, Visit):
            kinds = [kind for kind in ("session", "device", "ip") if getattr(order.entities, kind) is not None]
            return self._of_visit(feature, kinds[0], order) if kinds else nan
        if getattr(order.entities, feature.kind) is None:
            return nan
        if isinstance(feature, Windowed | Since | Earliest | Age | Distinct | First):
            return self._of_entity(feature, order)
        try:
            return self._derived(feature, order)
        except ZeroDivisionError:
            return nan

    def _of_visit(self, feature: Visit, kind: str, order: OrderFact) -> float:
        if isinstance(feature, Joined):
            return self._of_entity(Windowed(kind, feature.source, feature.aggregate, feature.window), order)
        inside, second = self._inside(kind, feature.window, order), order.occurred_at_ms // 1000
        pages, checkouts = (
            [seen for seen, _, _, name in inside if name in SOURCES[source].classes]
            for source in ("visits", "checkouts")
        )
        if not pages:
            return nan
        begun = max(0, second - min(pages))
        reached = begun - max(0, second - min(checkouts)) if checkouts else nan
        match feature:
            case Begun():
                return float(begun)
            case Reached():
                return float(reached)
            case Straight():
                return float(reached == 0)
        assert isinstance(feature, Pace)
        read = len(pages) - sum(name == "visit_asset" for *_, name in inside)
        return begun / read if read else nan

    def _inside(self, kind: str, window: str, order: OrderFact, *, open_ended: bool = False) -> list[Seen]:
        asked = (kind, window, open_ended)
        if asked not in self._inside_of:
            self._inside_of[asked] = self._scanned(kind, window, order, open_ended=open_ended)
        return self._inside_of[asked]

    def _scanned(self, kind: str, window: str, order: OrderFact, *, open_ended: bool = False) -> list[Seen]:
        seen = self.seen.get((kind, getattr(order.entities, kind)), [])
        minute = _minute(order.occurred_at_ms // 1000)
        clock = max((_minute(second) for second, *_ in seen), default=minute)
        as_of = max(minute, clock - LATENESS_S)
        of = next(w for w in self.definitions.windows if w.name == window)
        begin = as_of // of.hop_s * of.hop_s - of.width_s
        return [one for one in seen if begin <= _minute(one[0]) and (open_ended or _minute(one[0]) <= as_of)]

    def _of_entity(self, feature: Windowed | Since | Earliest | Age | Distinct | First, order: OrderFact) -> float:
        second = order.occurred_at_ms // 1000
        if isinstance(feature, Distinct | First):
            return self._met(feature, order)
        inside = self._inside(feature.kind, getattr(feature, "window", self.definitions.window_names[-1]), order)
        if isinstance(feature, Age):
            return float(max(0, second - min((s for s, *_ in inside), default=second)))
        classes = SOURCES[feature.source].classes
        of_source = [(s, amount) for s, _, amount, name in inside if name in classes]
        if isinstance(feature, Since):
            return float(max(0, second - max(s for s, _ in of_source))) if of_source else nan
        if isinstance(feature, Earliest):
            return float(max(0, second - min(s for s, _ in of_source))) if of_source else nan
        amounts = [amount for _, amount in of_source if amount is not None]
        dollars = [min((amount + 50) // 100, 1_000_000) for amount in amounts]
        of: dict[str, float] = {
            "count": len(of_source),
            "sum": sum(amounts),
            "dollars": sum(dollars),
            "squares": sum(d * d for d in dollars),
            "units": sum(getattr(fact, "quantity", 0) for _, fact, _, name in inside if name in classes),
            "min": min(amounts, default=nan),
            "max": max(amounts, default=nan),
        }
        return float(of[feature.aggregate])

    def _met(self, feature: Distinct | First, order: OrderFact) -> float:
        window = feature.window if isinstance(feature, Distinct) else self.definitions.window_names[-1]
        latest: dict[str, int] = {}
        for second, fact, _, name in self._inside(feature.kind, window, order, open_ended=True):
            member = _member(fact, feature.member) if name in SOURCES[feature.source].classes else None
            if member is not None:
                latest[member] = max(second, latest.get(member, 0))
        number = _number if feature.member in KINDS else _hash
        newest = sorted(latest, key=lambda member: (latest[member], number(member)), reverse=True)[:65]
        if isinstance(feature, Distinct):
            return float(len(newest))
        own = _member(order, feature.member)
        if own is None or (own not in newest and len(newest) == 65):
            return nan
        return float(own not in newest)

    def _derived(self, feature: Feature, order: OrderFact) -> float:  # noqa: PLR0911  # a formula a case
        def number(source: str, aggregate: Any, window: str) -> float:
            return self._of_entity(Windowed(feature.kind, source, aggregate, window), order)  # type: ignore[union-attr]

        match feature:
            case Mean() | Evenness():
                above, below = ("sum", "count") if isinstance(feature, Mean) else ("min", "max")
                return number(feature.source, above, feature.window) / number(feature.source, below, feature.window)
            case Ratio() | Quantity():
                amount = self._amount_usd(order) * 100
                own, of = (amount, "sum") if isinstance(feature, Ratio) else (order.quantity, "units")
                return own * number("orders", "count", feature.window) / number("orders", of, feature.window)
            case Share():
                count = number(feature.source, "count", feature.window)
                return count / (count + number(feature.other, "count", feature.window))
            case Burst():
                return number(feature.source, "count", feature.short) / number(feature.source, "count", feature.long)
            case Decayed():
                return self._decayed([number(feature.source, "count", window) for window in WINDOWS])
        if isinstance(feature, Automation):
            of_visits = [number("visits", of, feature.window) for of in ("count", "sum", "min", "max")]
            counts = [number(of, "count", feature.window) for of in ("assets", "checkouts", "errors")]
            return self._automation(*of_visits, *counts)
        assert isinstance(feature, Deviation | Score)
        return self._deviated(feature, order, number)

    def _deviated(
        self, feature: Deviation | Score, order: OrderFact, number: Callable[[str, str, str], float]
    ) -> float:
        source = feature.source if isinstance(feature, Deviation) else "orders"
        squares, dollars, count = (number(source, of, feature.window) for of in ("squares", "dollars", "count"))
        mean = dollars / count
        deviation = sqrt(max(squares / count - mean * mean, 0.0))
        if isinstance(feature, Deviation):
            return deviation
        amount = self._amount_usd(order)
        return (nan if isnan(amount) else min(amount, 1_000_000) - mean) / max(deviation, 1.0)

    def _automation(self, count: float, total: float, least: float, most: float, *counts: float) -> float:
        if not count:
            return nan
        signs = [_ratio(least, most), total / count / 1000, least / 1000, most / 1000, *(n / count for n in counts)]
        margin = 0.0
        for root, at, left, left_at, right, right_at, *leaves in TREES:
            below = signs[int(root)] <= at
            sign, threshold, ends = (left, left_at, leaves[:2]) if below else (right, right_at, leaves[2:])
            margin += ends[0] if signs[int(sign)] <= threshold else ends[1]
        return 0.5 + 0.5 * margin / (1 + abs(margin))

    def _amount_usd(self, order: OrderFact) -> float:
        return self._value(Direct("amount_usd", 1), order)

    def _decayed(self, counts: list[float]) -> float:
        total, inner, near = 0.0, 0.0, 0
        for count, window in zip(counts, WINDOWS.values(), strict=True):
            total += (count - inner) * 2 ** (-(near + window.width_s) / 2 / 86_400)
            inner, near = count, window.width_s
        return total


def _is_of(fact: AnyFact, source: str) -> bool:
    return class_of(fact) in SOURCES[source].classes


def _member(fact: AnyFact, member: str) -> str | None:
    value: str | None = getattr(fact.entities if member in KINDS else fact, member)
    return value


def _number(member: str) -> int:
    return int.from_bytes(member[:6].encode())


def _hash(member: str) -> int:
    return int.from_bytes(blake2b(member.encode(), digest_size=6).digest())


def _minute(second: int) -> int:
    return second // 60 * 60


def _ratio(one: float, other: float) -> float:
    return one / other if other else nan
