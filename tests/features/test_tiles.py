"""How many tiles an entity can have, with whatever windows."""

import random

import msgspec
import pytest
from redis.asyncio import Redis

from features.declared import Definitions
from features.numbers import LATENESS_S, WINDOWS, Window, Windowed
from features.script import most_tiles
from tests.features.chunks import NOON_MS, chunk, opened, order
from tests.features.streams import Run


def random_windows(rng: random.Random) -> list[Window]:
    hop_s, width_s, windows = 60, 0, []
    for name in "abcd"[: rng.randint(1, 4)]:
        hop_s *= rng.choice((1, 2, 3, 5, 6))
        width_s = (width_s // hop_s + rng.randint(1, 30)) * hop_s
        windows.append(Window(name, width_s, hop_s))
    return windows


def naive_most(windows: list[Window]) -> int:
    """Of an entity that was active every minute, at each minute of the widest hop."""
    widest_s = windows[-1].hop_s
    return max(tiles_as_of(minute, windows) for minute in range(1000 * widest_s, 1001 * widest_s, 60))


def tiles_as_of(minute: int, windows: list[Window]) -> int:
    begins = [minute, *(minute // w.hop_s * w.hop_s - w.width_s for w in windows)]
    tiles, start = 0, minute + LATENESS_S
    while start >= begins[-1]:
        second, tiles = start, tiles + 1
        for begin, window in zip(begins, windows, strict=False):
            hop = second // window.hop_s * window.hop_s
            if hop + window.hop_s > begin:
                break
            start = hop
        start -= 60
    return tiles


def test_the_default_windows_need_119_tiles_and_so_many_are_reckoned_with() -> None:
    assert naive_most(list(WINDOWS.values())) == most_tiles(list(WINDOWS.values())) == 119


@pytest.mark.parametrize("seed", range(50))
def test_no_entity_has_more_tiles_than_are_reckoned_with(seed: int) -> None:
    windows = random_windows(random.Random(seed))
    assert 0 <= most_tiles(windows) - naive_most(windows) <= 3


def test_tiles_of_a_minute_are_merged_into_the_narrowest_windows_hop_too(run: Run) -> None:
    windows = (Window("2h", 7_200, 3_600),)
    definitions = Definitions((Windowed("card", "orders", "count", "2h"),), windows=windows)

    async def body(client: Redis) -> tuple[float, list[int]]:
        store = await opened(client, definitions=definitions)
        for hour in range(6):
            facts = [order(n, n, ip=None) for n in range(60 * hour, 60 * hour + 60) if n <= 300]
            vectors = (await store.apply(chunk(60 * hour, *facts))).matrix
        _, tiles, _ = msgspec.msgpack.decode(await client.get("{s00}card:c"))
        return vectors[-1, 0], tiles[::2]

    # The order of 17:00 counts from 15:00 to 16:59; one of 16:55, were it late, would count from 14:00.
    count, seconds = run(body)
    minutes = [(second - NOON_MS // 1000) // 60 for second in seconds]
    assert (count, minutes) == (120, [120, 180, *range(240, 301)])
