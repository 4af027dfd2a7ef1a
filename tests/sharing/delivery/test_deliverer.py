"""The deliverer's loop, on carriers in memory."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from sharing.delivery.deliverer import Deliverer, Way
from sharing.delivery.desk import Answered, Desk, Failed, Outcome, Sent, Settled
from sharing.delivery.outbox import Parcel
from sharing.tables import outbox
from tests.sharing.delivery.fakes import NOW_MS, SCHEDULE, Desktop, jti


class Heard:
    def __init__(self) -> None:
        self.told: list[object] = []

    def settled(self, partner: str, settled: Settled) -> None:
        self.told.append((partner, "settled", settled.sent, settled.failed, settled.dead))

    def failed(self, partner: str, reason: str) -> None:
        self.told.append((partner, reason))

    def unledgered(self, partner: str, rows: int) -> None:
        self.told.append((partner, "unledgered", rows))

    def overdue(self, late: Mapping[str, int]) -> None:
        self.told.append(dict(late))

    def swept(self, _: Desk) -> None:
        self.told.append("swept")


class House:
    """A deliverer, a clock, and for each partner a carrier that notes what it was given."""

    def __init__(self, engine: sa.Engine) -> None:
        self.now_ms = NOW_MS
        self.desktop = Desktop(engine)
        self.heard = Heard()
        self.outcome: Outcome | Exception = Sent()
        self.given: list[tuple[str, bytes]] = []
        self.held: dict[str, asyncio.Event] = {}
        self.arrived = asyncio.Event()
        self.ways: dict[str, Way | None] = {}
        self.deliverer = Deliverer(
            self.desktop.desk(lambda: self.now_ms), lambda p: self.ways.get(p, Way(self._send)), self.heard
        )

    async def _send(self, partner: str, parcels: Sequence[Parcel]) -> Sequence[Outcome]:
        if partner in self.held:
            await self.held[partner].wait()
        self.arrived.set()
        self.given += [(parcel.jti, parcel.sealed) for parcel in parcels]
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return [self.outcome] * len(parcels)

    def next_ms(self) -> int:
        """When the next message is due."""
        with self.desktop.engine.connect() as connection:
            return int(connection.scalar(sa.select(sa.func.min(outbox.c.next_at_ms))))

    async def work(self) -> None:
        await self.deliverer.look()
        await self.deliverer.idle()
        await self.deliverer.look()


@pytest.fixture
def house(engine: sa.Engine) -> House:
    return House(engine)


def test_what_is_due_is_sent_once_and_waits_for_its_answer(house: House) -> None:
    house.desktop.tell(1)
    asyncio.run(house.work())
    asyncio.run(house.work())
    assert house.given == [(jti(1), b"sealed-1")]
    assert (house.desktop.state(1), house.desktop.kept()) == ("delivered", [jti(1)])
    assert house.heard.told == [("acquirer", "settled", 1, 0, 0)]


def test_a_partner_that_answers_at_once_has_a_leaf_at_once(house: House) -> None:
    house.desktop.tell(1)
    house.outcome = Answered(None, b"202")
    asyncio.run(house.work())
    assert (house.desktop.state(1), house.desktop.kept()) == ("acknowledged", [])
    assert [leaf.answer for leaf in house.desktop.answers()] == ["acknowledged"]


@pytest.mark.parametrize("outcome", [Failed("timeout"), RuntimeError("a carrier's own")])
def test_what_failed_is_sent_again_later_with_the_same_bytes(house: House, outcome: Outcome | Exception) -> None:
    house.desktop.tell(1)
    house.outcome = outcome
    asyncio.run(house.work())
    assert (house.desktop.state(1), house.desktop.answers()) == ("pending", [])
    house.outcome = Sent()
    house.now_ms += 999
    asyncio.run(house.work())
    assert len(house.given) == 1
    house.now_ms += 1
    asyncio.run(house.work())
    assert house.given == [(jti(1), b"sealed-1")] * 2
    assert house.heard.told[-1] == ("acquirer", "settled", 1, 0, 0)


def test_a_row_that_the_ledger_does_not_hold_is_an_alarm_and_never_leaves(house: House) -> None:
    house.desktop.tell(1, ledgered=False)
    with capture_logs() as logs:
        asyncio.run(house.work())
    assert (house.given, house.heard.told) == ([], [("acquirer", "unledgered", 1)])
    assert {"event": "outbox.unledgered", "partner": "acquirer", "messages": 1, "log_level": "error"} in logs


def test_a_slow_partner_keeps_no_other_waiting(house: House) -> None:
    house.desktop.tell(1)
    house.desktop.tell(2, partner="agency")

    async def scenario() -> None:
        house.held["acquirer"] = asyncio.Event()
        await house.deliverer.look()
        await house.arrived.wait()
        house.desktop.tell(3, partner="agency")
        while len(house.given) < 2:
            await house.deliverer.look()
            await asyncio.sleep(0.01)  # the first is still being recorded
        assert [told for told, _ in house.given] == [jti(2), jti(3)]
        house.held["acquirer"].set()
        await house.deliverer.idle()

    asyncio.run(scenario())
    assert house.given[-1] == (jti(1), b"sealed-1")


def test_a_partner_that_fetches_its_messages_itself_is_left_alone(house: House) -> None:
    house.desktop.tell(1)
    house.ways["acquirer"] = None
    asyncio.run(house.work())
    assert (house.given, house.desktop.state(1)) == ([], "pending")


def test_an_endpoint_that_fails_for_a_day_misses_nothing(house: House) -> None:
    house.desktop.tell(1)
    house.outcome = Failed("status_5xx")
    while house.now_ms < NOW_MS + 86_400_000:
        asyncio.run(house.work())
        house.now_ms = house.next_ms()
    assert 100 < len(house.given) < 120
    house.outcome = Sent()
    asyncio.run(house.work())
    assert (house.given[-1], house.desktop.state(1)) == ((jti(1), b"sealed-1"), "delivered")


def test_what_nobody_answered_in_time_is_counted_and_said(house: House) -> None:
    house.desktop.tell(1)
    asyncio.run(house.work())
    house.now_ms += SCHEDULE.ack_within_ms
    with capture_logs() as logs:
        asyncio.run(house.deliverer.sweep())
    assert house.heard.told[-2:] == [{"acquirer": 1}, "swept"]
    assert {"event": "disclosures.overdue", "acquirer": 1, "log_level": "warning"} in logs
    assert house.desktop.state(1) == "overdue"
