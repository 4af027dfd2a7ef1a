"""The naive twin of the feature engine: it keeps every applied fact of every entity, and scans them all."""

from collections.abc import Iterator
from math import nan

from events.facts import AnyFact, OrderFact, RefusedOrder
from features.definitions import LATENESS_S, WINDOWS, Age, Definitions, Direct, Feature, Windowed
from features.sources import source_of

Seen = tuple[int, str, int]  # second, source, US cents


class Oracle:
    """Facts of one facts partition, one after another."""

    def __init__(self, definitions: Definitions) -> None:
        self.definitions = definitions
        self.seen: dict[tuple[str, str], list[Seen]] = {}
        self.sources: dict[tuple[str, int], int] = {}

    def apply(self, fact: AnyFact) -> list[float] | None:
        """The fact's vector if it is an order or a refused one and no repeat."""
        source = (fact.source.topic_id, fact.source.partition)
        if fact.source.offset <= self.sources.get(source, -1):
            return None
        self.sources[source] = fact.source.offset
        vector = self._vector(fact) if isinstance(fact, OrderFact | RefusedOrder) else None
        for entity in self._touched(fact):
            cents = self._cents(fact)
            self.seen.setdefault(entity, []).append((fact.occurred_at_ms // 1000, source_of(fact) or "", cents))
        return vector

    def _touched(self, fact: AnyFact) -> Iterator[tuple[str, str]]:
        for kind, columns in self.definitions.columns.items():
            pseudonym = getattr(fact.entities, kind)
            counted = any(column.source == source_of(fact) for column in columns)
            if pseudonym is not None and (counted or isinstance(fact, OrderFact)):
                yield kind, pseudonym

    def _cents(self, fact: AnyFact) -> int:
        amount, currency = getattr(fact, "amount_minor", None), getattr(fact, "currency", None)
        if amount is None or currency is None:
            return 0
        return self.definitions.rates.cents(amount, currency, fact.occurred_at_ms) or 0

    def _vector(self, order: OrderFact | RefusedOrder) -> list[float]:
        if isinstance(order, RefusedOrder):
            return [nan] * len(self.definitions.names)
        direct = iter(self.definitions.of_order(order))
        return [
            next(direct) if isinstance(feature, Direct) else self._of_entity(feature, order)
            for feature in self.definitions.features
        ]

    def _of_entity(self, feature: Feature, order: OrderFact) -> float:
        assert isinstance(feature, Windowed | Age)
        pseudonym = getattr(order.entities, feature.kind)
        if pseudonym is None:
            return nan
        seen = self.seen.get((feature.kind, pseudonym), [])
        second = order.occurred_at_ms // 1000
        clock = max((_minute(s) for s, _, _ in seen), default=_minute(second))
        as_of = max(_minute(second), clock - LATENESS_S)
        window = WINDOWS[feature.window if isinstance(feature, Windowed) else "30d"]
        begin = as_of // window.hop_s * window.hop_s - window.width_s
        inside = [(s, source, cents) for s, source, cents in seen if begin <= _minute(s) <= as_of]
        if isinstance(feature, Age):
            return float(max(0, second - min((s for s, _, _ in inside), default=second)))
        counted = [cents for _, source, cents in inside if source == feature.source]
        return float(len(counted) if feature.aggregate == "count" else sum(counted))


def _minute(second: int) -> int:
    return second // 60 * 60
