from collections.abc import Sequence

import pytest
import sqlalchemy as sa

from sharing.delivery import registrations
from sharing.delivery.deliverer import Way
from sharing.delivery.desk import Outcome
from sharing.delivery.outbox import Parcel
from sharing.delivery.streams import POLL, PUSH, Kept, Status, Stream
from sharing.delivery.ways import Ways


async def _send(_partner: str, _parcels: Sequence[Parcel]) -> Sequence[Outcome]:
    return []


KAFKA, PUSHED = Way(_send), Way(_send, 32)


def test_without_a_stream_messages_go_over_kafka(engine: sa.Engine) -> None:
    assert Ways(engine, KAFKA, PUSHED, frozenset({"acquirer"})).of("acquirer") == KAFKA


@pytest.mark.parametrize(
    ("method", "status", "pushed", "way"),
    [
        (PUSH, "enabled", {"acquirer"}, PUSHED),
        (PUSH, "enabled", set(), None),
        (PUSH, "paused", {"acquirer"}, None),
        (POLL, "enabled", {"acquirer"}, None),
    ],
)
def test_a_stream_says_which_way(
    engine: sa.Engine, method: str, status: Status, pushed: set[str], way: Way | None
) -> None:
    with engine.begin() as connection:
        registrations.add(connection, Stream("s" * 22, "acquirer", Kept(method), status))
    assert Ways(engine, KAFKA, PUSHED, frozenset(pushed)).of("acquirer") == way
