"""Events at a rate: batches handed out when they are due."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
BATCHES_PER_S = 20
UNPACED_BATCH = 500


def paced(
    things: Iterable[T], rate_per_s: float | None, now_s: Callable[[], float], sleep: Callable[[float], None]
) -> Iterator[list[T]]:
    """Batches of a twentieth of a second, each held until its first is due; without a rate, large ones at once.

    A consumer that falls behind gets its batches without a pause until it has caught up.
    """
    source, started_s, done = iter(things), now_s(), 0
    size = max(1, round(rate_per_s / BATCHES_PER_S)) if rate_per_s else UNPACED_BATCH
    while batch := list(islice(source, size)):
        early_s = started_s + done / rate_per_s - now_s() if rate_per_s else 0.0
        if early_s > 0:
            sleep(early_s)
        yield batch
        done += len(batch)
