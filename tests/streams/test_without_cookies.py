"""A store whose customers all refuse cookies: from its events through intake and the feature store to vectors."""

import asyncio
from itertools import islice
from typing import NamedTuple

import msgspec
import numpy as np
import pytest

from events import topics
from events.facts import AnyFact, Coordinates, OrderFact
from events.guard import encode
from events.types import AnyEvent, Label
from features.definitions import DEFINITIONS
from features.formulas import Floats
from features.store import Chunk, Store, connect
from simulator.settings import Settings
from simulator.store import simulate
from streams.intake import Intake, RawRecord
from tests.servers import Embedded
from vault.keyring import Keyring
from vault.pseudonyms import Pseudonymiser

GONE = {"session_id": None, "device_id": None, "cookies_enabled": False}
NAMES = DEFINITIONS.names
OF_COOKIES = [
    name.startswith(("session.", "device.")) or name.endswith((".session.first", ".device.first")) for name in NAMES
]
DEVICES = [not name.startswith("session.") and ".device.distinct." in name for name in NAMES]
OF_VISIT = [name.startswith("visit.") for name in NAMES]


class Vectors(NamedTuple):
    with_cookies: Floats
    without: Floats


def without_cookies(event: AnyEvent) -> AnyEvent:
    there = {field: value for field, value in GONE.items() if field in event.__struct_fields__}
    return msgspec.structs.replace(event, **there)


def facts_of(events: list[AnyEvent], keyring: Keyring) -> list[AnyFact]:
    records = [
        RawRecord(Coordinates(topics.topic_of(type(event).__name__), "id", 0, n), at_ms(event), encode(event))
        for n, event in enumerate(events)
    ]
    taken = Intake(Pseudonymiser(keyring)).take(records)
    assert not taken.quarantined
    return taken.facts


def at_ms(event: AnyEvent) -> int:
    return round(event.occurred_at.timestamp() * 1000)


def vectors_of(url: str, facts: list[AnyFact]) -> Floats:
    async def work() -> Floats:
        async with connect(url) as client:
            await client.flushall()
            store = Store(client)
            await store.prepare("facts-id")
            starts = range(0, len(facts), 500)
            chunks = [Chunk(0, n - 1, n, range(n, n + len(facts[n : n + 500])), facts[n : n + 500]) for n in starts]
            return np.concatenate([(await store.apply(chunk)).matrix for chunk in chunks])

    return asyncio.run(work())


@pytest.fixture(scope="module")
def vectors(embedded_redis: Embedded, tmp_path_factory: pytest.TempPathFactory) -> Vectors:
    path = tmp_path_factory.mktemp("keys") / "keyring.json"
    Keyring.create(path, lambda size: bytes(range(size)))
    simulated = islice(simulate(Settings(days=14, orders_per_day=60, customers=200, refusing_cookies=0)), 6_000)
    events = [each.event for each in simulated if not isinstance(each.event, Label)]
    facts = [facts_of(given, Keyring.load(path)) for given in (events, [without_cookies(event) for event in events])]
    assert sum(isinstance(fact, OrderFact) for fact in facts[1]) > 200
    return Vectors(*(vectors_of(embedded_redis.url, given) for given in facts))


def test_without_cookies_what_they_identify_is_absent_and_never_zero_and_all_else_is_as_it_was(
    vectors: Vectors,
) -> None:
    there, gone = vectors
    assert not np.isinf(gone).any()
    assert np.isnan(gone[:, OF_COOKIES]).all()
    assert not np.isnan(there[:, [name.startswith("device.") and ".count." in name for name in NAMES]]).all()
    assert DEVICES.count(True) > 0
    assert not gone[:, DEVICES].any()  # a true number: of an entity that is there, and was seen with no device
    own = [name == "order.cookies_refused" for name in NAMES]
    same = ~np.array([OF_COOKIES, DEVICES, OF_VISIT, own]).any(axis=0)
    assert same.sum() > 100
    assert np.array_equal(gone[:, same], there[:, same], equal_nan=True)
    refused = NAMES.index("order.cookies_refused")
    assert (set(there[:, refused]), set(gone[:, refused])) == ({0.0}, {1.0})


def test_without_cookies_the_visit_joins_its_order_by_the_ip_address(vectors: Vectors) -> None:
    _, gone = vectors
    compared = 0
    for place, name in enumerate(NAMES):
        of_ip = name.replace("visit.", "ip.", 1)
        if name.startswith("visit.") and of_ip in NAMES:
            compared += 1
            assert np.array_equal(gone[:, place], gone[:, NAMES.index(of_ip)])
    assert compared
    assert (gone[:, NAMES.index("visit.visits.count.1h")] > 0).mean() > 0.5


def test_a_number_is_absent_only_where_its_documentation_says_so(vectors: Vectors) -> None:
    """Counts, sums and ages of an entity that every order names are numbers, whatever else is missing."""
    always = [
        place
        for place, name in enumerate(NAMES)
        if name.startswith(("customer.", "ip.", "network."))
        and (".count." in name or ".sum." in name or "age_s" in name)
    ]
    assert always
    assert np.isfinite(vectors.without[:, always]).all()
