"""Where a story writes down what happens: events with their moment, id, and the fraud they belong to."""

from bisect import bisect_left
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec

from events.types import AnyEvent
from simulator.ids import Ids

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_encode = msgspec.json.Encoder().encode


class Simulated(msgspec.Struct, frozen=True):
    """An event, its wire JSON, and the kind of fraud whose doing it is (None: a customer's, or a label)."""

    event: AnyEvent
    body: bytes
    fraud: str | None

    @property
    def occurred_at(self) -> datetime:
        return self.event.occurred_at


class Journal:
    """Takes events in any order of time; gives them back in event-time order, up to a moment."""

    def __init__(self, ids: Ids) -> None:
        self.ids = ids
        self._pending: list[tuple[int, int, AnyEvent, str | None]] = []
        self._written = 0

    def write(
        self, event_type: Callable[..., AnyEvent], at_ms: int, fraud: str | None = None, **fields: object
    ) -> None:
        """Note an event of that type at that moment (milliseconds since 1970), with those fields."""
        moment = EPOCH + timedelta(milliseconds=at_ms)
        event = event_type(event_id=self.ids.mint("e"), occurred_at=moment, **fields)
        self._written += 1
        self._pending.append((at_ms, self._written, event, fraud))

    def until(self, end_ms: int) -> list[Simulated]:
        """Take out what happened before `end_ms`, in order; equal moments in the order of writing."""
        self._pending.sort()
        end = bisect_left(self._pending, end_ms, key=lambda entry: entry[0])
        ready, self._pending = self._pending[:end], self._pending[end:]
        return [Simulated(event, _encode(event), fraud) for _, _, event, fraud in ready]
