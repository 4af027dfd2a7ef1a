"""How much a partner may be sent: a steady rate with bursts of a minute's worth, and a daily volume.

The rate is the generic cell rate algorithm: one number a partner, the time at which its bucket will be full again.
"""

import msgspec

_MINUTE_US = 60_000_000
_DAY_MS = 86_400_000


class Limits(msgspec.Struct, frozen=True):
    per_minute: int = 600
    per_day: int = 100_000


class Used(msgspec.Struct, frozen=True):
    """`next_us`: when the bucket is whole again; `sent_today` counts messages sent first on `day` (UTC, from 1970)."""

    next_us: int = 0
    day: int = 0
    sent_today: int = 0


class Room(msgspec.Struct, frozen=True):
    """`attempts` may go out now, of which `first` messages that were never tried."""

    attempts: int
    first: int


def room(limits: Limits, used: Used, now_ms: int) -> Room:
    each_us = _MINUTE_US // limits.per_minute
    free_us = now_ms * 1000 + _MINUTE_US - max(used.next_us, now_ms * 1000)
    sent = used.sent_today if used.day == now_ms // _DAY_MS else 0
    return Room(min(limits.per_minute, max(0, free_us // each_us)), max(0, limits.per_day - sent))


def spent(limits: Limits, used: Used, attempts: int, first: int, now_ms: int) -> Used:
    """What is used up after so many attempts, of which `first` were first ones."""
    day = now_ms // _DAY_MS
    sent = used.sent_today if used.day == day else 0
    each_us = _MINUTE_US // limits.per_minute
    return Used(max(used.next_us, now_ms * 1000) + attempts * each_us, day, sent + first)
