"""When a message is tried again, and when it is given up: exponential back-off with jitter, then a dead letter."""

from collections.abc import Callable

import msgspec

_HOUR_MS = 3_600_000


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """Given up after `attempts` attempts and `after_ms` both: a partner that is away for a day loses nothing.

    `lease_ms`: a claimed message is due again then, should its deliverer die; longer than any attempt may take.
    """

    first_ms: int = 1_000
    longest_ms: int = 15 * 60_000
    urgent_longest_ms: int = 2 * 60_000
    attempts: int = 12
    after_ms: int = 72 * _HOUR_MS
    lease_ms: int = 60_000
    kept_dead_ms: int = 7 * 24 * _HOUR_MS
    ack_within_ms: int = 24 * _HOUR_MS
    urgent_ack_within_ms: int = 4 * _HOUR_MS

    def next_ms(self, attempts: int, urgent: bool, now_ms: int, random: Callable[[], float]) -> int:
        """After the `attempts`th attempt failed; `random` gives [0, 1). Between half the back-off and all of it."""
        longest = self.urgent_longest_ms if urgent else self.longest_ms
        full = min(longest, self.first_ms << min(attempts - 1, 30))
        return now_ms + round(full * (1 + random()) / 2)

    def is_over(self, attempts: int, made_at_ms: int, now_ms: int) -> bool:
        return attempts >= self.attempts and now_ms - made_at_ms >= self.after_ms

    def due_ms(self, urgent: bool, now_ms: int) -> int:
        """When the answer to what is sent now is late."""
        return now_ms + (self.urgent_ack_within_ms if urgent else self.ack_within_ms)
