"""The deliverer's SQL on a real PostgreSQL under its role: push, polls, streams, tokens, reports, and what fails."""

import asyncio
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from sharing.delivery import oauth, poll
from sharing.delivery.answers import Answers
from sharing.delivery.counter import Counter
from sharing.delivery.deliverer import Way
from sharing.delivery.desk import Answered, Desk, Failed, Sent
from sharing.delivery.push import Push, PushSettings
from sharing.delivery.statements import Place
from sharing.delivery.streams import PUSH, Asked, AskedStatus, AskedVerification, Delivery, Terms
from sharing.delivery.ways import Ways
from sharing.ledger.checkpoints import Signer
from sharing.ledger.store import Ledger
from streams.bootstrap.deliverer import report
from streams.roles import DELIVERER
from tests.sharing.delivery.fakes import LIMITS, NOW_MS, SCHEDULE, Desktop, jti
from tests.sharing.delivery.partners import ISSUER, Partner
from tests.sharing.delivery.test_push import NAME, Endpoint, Net
from tests.sharing.delivery.tls import Authority
from tests.streams.delivering import KIND
from tests.streams.used_rights import granted, reached, seen

pytestmark = pytest.mark.timeout(300)

AGENCY, ACQUIRER = Partner("agency"), Partner("acquirer")
KEYS = {"agency": AGENCY.keys, "acquirer": ACQUIRER.keys}
DAY_MS = 86_400_000


class House:
    """What the deliverer and the partners' endpoints hold, on the role's engine; messages are told by the owner's."""

    def __init__(self, own: sa.Engine, owner: sa.Engine) -> None:
        self.own, self.told = own, Desktop(owner)
        self.clock = [NOW_MS]
        ledger = Ledger(Signer((b"l" * 32,)))
        self.desk = Desk(own, ledger, LIMITS, SCHEDULE, lambda: self.clock[0], random.random, lambda _: {b"s" * 32})
        self.alarms: list[int] = []
        self.counter = Counter(
            own, self.desk, ISSUER, KEYS.get, self.terms, lambda: self.clock[0], os.urandom,
            lambda _, rows: self.alarms.append(rows),
        )  # fmt: skip
        self.answers = Answers(self.desk, ISSUER, KEYS.get, lambda: self.clock[0], report)

    def terms(self, _: str) -> Terms:
        return Terms(ISSUER, ("urn:told",), f"https://{NAME}/events", f"{ISSUER}/ssf/poll")


@pytest.fixture
def house() -> Iterator[House]:
    with reached("deliverer") as (own, owner):
        yield House(own, owner)


def test_all_that_it_does_is_within_what_its_role_may_and_it_may_do_no_more(house: House, tmp_path: Path) -> None:
    with seen(house.own) as used:
        asyncio.run(pushed(house, Authority(tmp_path)))
        polled(house)
        signed(house)
        failed(house)
        house.desk.counts()
    assert used == granted(DELIVERER), used ^ granted(DELIVERER)


async def pushed(house: House, authority: Authority) -> None:
    """The acquirer's stream is pushed to its own URL, and its endpoint takes the message."""
    house.counter.create("acquirer", Asked(delivery=Delivery(method=PUSH, endpoint_url=f"https://{NAME}/events")))
    house.told.tell(1)
    endpoint = Endpoint()
    server = await asyncio.start_server(endpoint.handle, "127.0.0.1", 0, ssl=authority.serving(NAME))
    urls = {"acquirer": f"https://{NAME}:{server.sockets[0].getsockname()[1]}/events"}
    settings = PushSettings(loopback=True)
    push = Push(urls, authority.trusting(), settings, house.desk.checkpoint, Net(["127.0.0.1"]).resolve)
    way = Ways(house.own, Way(push.send), Way(push.send), frozenset(urls)).of("acquirer")
    assert way is not None
    assert house.desk.due() == {"acquirer"}
    parcels = house.desk.claim("acquirer", 10).parcels
    outcomes = await way.send("acquirer", parcels)
    server.close()
    assert [type(outcome) for outcome in outcomes] == [Answered]
    settled = house.desk.settle("acquirer", list(zip(parcels, outcomes, strict=True)))
    assert (settled.sent, house.told.state(1)) == (1, "acknowledged")
    assert len(endpoint.requests) == 1
    assert endpoint.requests[0][1] == b"sealed-1"


def polled(house: House) -> None:
    """The agency sets a stream up, has it verified, paused and resumed, polls, and answers; and deletes it."""
    form = oauth.Form("client_credentials", KIND, AGENCY.asserts(f"{ISSUER}/oauth/token", NOW_MS / 1000))
    bearer = house.counter.token(form)["access_token"]
    assert house.counter.partner_of(bearer) == "agency"
    stream_id = house.counter.create("agency", Asked())["stream_id"]
    house.counter.change("agency", Asked(stream_id=stream_id, description="ours"), whole=False)
    house.counter.verify("agency", AskedVerification(stream_id, "hello"))
    for status in ("paused", "enabled"):
        house.counter.set_status("agency", AskedStatus(stream_id, status))  # type: ignore[arg-type]
    house.told.tell(2, "agency")
    house.told.tell(3, "agency")
    assert set(house.counter.polled("agency", stream_id, 10).sets) == {jti(2), jti(3)}
    house.counter.answered("agency", stream_id, poll.Poll(ack=(jti(2),), set_errs={jti(3): poll.SetError(err="x")}))
    assert [house.told.state(number) for number in (2, 3)] == ["acknowledged", "refused"]
    assert len(house.counter.read("agency", None)) == 1
    house.counter.delete("agency", stream_id)


def signed(house: House) -> None:
    """What partners sign on their topics: taken once, a report on an order with it; the forged and the repeated not."""
    house.told.tell(4)
    said = ACQUIRER.acknowledges(jti(4), own="a" * 22, now_ms=NOW_MS, reports={jti(4): "confirmed"})
    assert house.answers.take("acquirer", Place(0, 1), said) == "taken"
    assert house.answers.take("acquirer", Place(0, 1), said) == "again"
    assert house.answers.take("acquirer", Place(0, 2), said) == "replayed"
    assert house.answers.take("acquirer", Place(0, 3), b"forged") == "malformed"
    with house.told.engine.connect() as connection:
        reported = connection.execute(sa.text("SELECT partner, jti, verdict FROM sharing_reports")).all()
    assert reported == [("acquirer", jti(4), "confirmed")]


def failed(house: House) -> None:
    """What is not on the ledger is never sent; what fails is tried again; what is late is said to be; old rows go."""
    house.told.tell(5, "carrier", ledgered=False, sealed=b"written past the ledger")
    house.told.tell(6, "carrier")
    house.told.tell(7, "carrier")
    claimed = house.desk.claim("carrier", 10)
    assert ([each.jti for each in claimed.parcels], claimed.unledgered) == ([jti(6), jti(7)], (jti(5),))
    outcomes = zip(claimed.parcels, (Failed("timeout"), Sent()), strict=True)
    assert house.desk.settle("carrier", list(outcomes)).failed == 1
    house.clock[0] += 31 * DAY_MS
    late, forgotten = house.desk.sweep()
    assert (late, forgotten) == ({"carrier": 1}, 3)
    house.counter.token(oauth.Form("client_credentials", KIND, asserted(house)))


def asserted(house: House) -> str:
    return AGENCY.asserts(f"{ISSUER}/oauth/token", house.clock[0] / 1000)
