"""Acknowledgements of a partner that comes while the deliverer runs, over a real broker."""

import asyncio
import uuid

from events import admin
from events.topics import share_specs
from sharing.delivery.answers import Answers
from streams.deliveries import Acknowledgements
from tests.harness import Kafka
from tests.sharing.delivery.fakes import NOW_MS, jti
from tests.sharing.delivery.partners import ISSUER, Partner
from tests.streams.test_deliveries import Store


def test_a_partner_that_comes_later_is_heard_and_the_first_one_still_is(kafka: Kafka, database: str) -> None:
    first = Store(kafka.brokers, database)
    new = Partner(f"p{uuid.uuid4().hex[:12]}")
    client = admin.connect(kafka.brokers)
    admin.create_topics(client, 1, specs=share_specs(new.name))
    client.close()
    for number, partner in enumerate((first.partner, new)):
        first.desktop.tell(number, partner=partner.name)
    asyncio.run(_heard(first, new))
    assert [first.desktop.state(number) for number in (0, 1)] == ["acknowledged", "acknowledged"]
    first.engine.dispose()


async def _heard(first: Store, new: Partner) -> None:
    keys = {first.partner.name: first.partner.keys, new.name: new.keys}
    answers = Answers(first.desktop.desk(), ISSUER, keys.get, lambda: NOW_MS)
    partners, heard = [first.partner.name], asyncio.Queue[tuple[str, str]]()
    reader = Acknowledgements(
        first.brokers, first.partner.name, lambda: partners, answers, lambda *each: heard.put_nowait(each)
    )
    await reader.start()
    reading = asyncio.ensure_future(reader.run())
    try:
        await asyncio.sleep(1)
        partners.append(new.name)
        acknowledged = new.acknowledges(jti(1), own="acknowledgement-0001", now_ms=NOW_MS)
        await asyncio.to_thread(first.say, acknowledged, to=new.name)
        assert await asyncio.wait_for(heard.get(), 60) == (new.name, "taken")
        again = first.partner.acknowledges(jti(0), own="acknowledgement-0002", now_ms=NOW_MS)
        await asyncio.to_thread(first.say, again)
        assert await asyncio.wait_for(heard.get(), 60) == (first.partner.name, "taken")
    finally:
        reading.cancel()
        await reader.stop()
