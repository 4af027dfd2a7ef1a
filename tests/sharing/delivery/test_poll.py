"""Polling as RFC 8936 says, over the endpoints themselves."""

import asyncio
import base64
from typing import Any

import pytest
import sqlalchemy as sa

from sharing.delivery import allowances
from sharing.delivery.http import HttpSettings
from sharing.ledger.leaves import hash_of
from tests.sharing.delivery.api import ACQUIRER, AGENCY, PUSH_URL, Office
from tests.sharing.delivery.fakes import NOW_MS, SCHEDULE, jti

POLL, PUSH = "urn:ietf:rfc:8936", "urn:ietf:rfc:8935"


@pytest.fixture
def office(engine: sa.Engine) -> Office:
    return Office(engine)


@pytest.fixture
def stream(office: Office) -> str:
    return str(office.stream()["stream_id"])


def test_messages_come_by_their_ids_with_a_checkpoint_and_are_acknowledged_with_the_next_poll(
    office: Office, stream: str
) -> None:
    office.desktop.tell(1)
    office.desktop.tell(2)
    answer = office.ask("POST", f"/ssf/poll/{stream}", json={"returnImmediately": True})
    assert answer.json() == {"sets": {jti(1): "sealed-1", jti(2): "sealed-2"}, "moreAvailable": False}
    assert (answer.headers["content-type"], answer.headers["cache-control"]) == ("application/json", "no-store")
    assert base64.urlsafe_b64decode(answer.headers["amana-checkpoint"]) == b"note"
    assert office.desktop.state(1) == "delivered"
    assert office.poll(stream, ack=[jti(1)], setErrs={jti(2): {"err": "invalid_key", "description": "x"}}) == {
        "sets": {}, "moreAvailable": False,
    }  # fmt: skip
    assert (office.desktop.state(1), office.desktop.state(2)) == ("acknowledged", "refused")
    said = b'{"ack":["%s"],"errs":{"%s":"invalid_key"},"partner":"acquirer"}' % (jti(1).encode(), jti(2).encode())
    assert [(leaf.answer, leaf.statement) for leaf in office.desktop.answers()] == [
        ("acknowledged", hash_of(said)), ("refused", hash_of(said)),
    ]  # fmt: skip


def test_so_many_come_as_were_asked_for_and_the_answer_says_that_there_are_more(office: Office, stream: str) -> None:
    for number in (1, 2, 3):
        office.desktop.tell(number)
    assert office.poll(stream, maxEvents=2) == {
        "sets": {jti(1): "sealed-1", jti(2): "sealed-2"}, "moreAvailable": True,
    }  # fmt: skip
    assert office.poll(stream, maxEvents=0, ack=[jti(1)]) == {"sets": {}, "moreAvailable": False}
    assert office.desktop.state(1) == "acknowledged"


def test_what_was_not_answered_comes_again_with_the_same_id(office: Office, stream: str) -> None:
    office.desktop.tell(1)
    assert office.poll(stream)["sets"] == {jti(1): "sealed-1"}
    assert office.poll(stream)["sets"] == {}
    office.now_ms += SCHEDULE.lease_ms
    assert office.poll(stream)["sets"] == {jti(1): "sealed-1"}


def test_a_poll_waits_for_what_becomes_due(engine: sa.Engine) -> None:
    office = Office(engine, HttpSettings(wait_s=20.0, look_s=0.02))
    stream = office.stream()["stream_id"]

    async def scenario() -> Any:
        waiting = asyncio.ensure_future(office.asked("POST", f"/ssf/poll/{stream}", json={}))
        await asyncio.sleep(0.2)
        assert not waiting.done()
        await asyncio.to_thread(office.desktop.tell, 1)
        return (await waiting).json()["sets"]

    assert asyncio.run(scenario()) == {jti(1): "sealed-1"}


def test_a_poll_that_nothing_comes_for_is_answered_empty_in_time(engine: sa.Engine) -> None:
    office = Office(engine, HttpSettings(wait_s=0.2, look_s=0.02))
    answer = office.ask("POST", f"/ssf/poll/{office.stream()['stream_id']}", json={})
    assert answer.json() == {"sets": {}, "moreAvailable": False}


def test_only_so_many_polls_of_a_partner_wait_at_once(engine: sa.Engine) -> None:
    office = Office(engine, HttpSettings(wait_s=1.0, look_s=0.02, polls=1))
    stream = office.stream()["stream_id"]

    async def scenario() -> list[int]:
        asked = [office.asked("POST", f"/ssf/poll/{stream}", json={}) for _ in range(2)]
        return sorted(answer.status_code for answer in await asyncio.gather(*asked))

    assert asyncio.run(scenario()) == [200, 429]


def test_polling_with_anothers_token_finds_nothing_and_changes_nothing(office: Office, stream: str) -> None:
    office.desktop.tell(1)
    office.stream(AGENCY)
    answer = office.ask("POST", f"/ssf/poll/{stream}", AGENCY, json={"returnImmediately": True, "ack": [jti(1)]})
    assert (answer.status_code, answer.json()["description"]) == (404, "no stream of yours by that id")
    assert office.desktop.state(1) == "pending"


def test_a_partner_acknowledges_its_own_messages_alone(office: Office, stream: str) -> None:
    office.desktop.tell(1, partner="agency")
    assert office.poll(stream, ack=[jti(1)])["sets"] == {}
    assert (office.desktop.state(1), office.desktop.answers()) == ("pending", [])


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"ack": [jti(n) for n in range(1001)]}, "more than 1000 messages are answered at once"),
        ({"setErrs": {jti(n): {"err": "invalid_key"} for n in range(1001)}}, "more than 1000 messages"),
        ({"ack": [jti(1), jti(1)]}, "a message is answered twice"),
        ({"ack": [jti(1)], "setErrs": {jti(1): {"err": "invalid_key"}}}, "a message is answered twice"),
        ({"maxEvents": -1}, "the body is not a poll request"),
        ({"maxEvents": "all"}, "the body is not a poll request"),
        ({"ack": ["a\0b"]}, "the body is not a poll request"),
        ({"ack": [jti(1), "a" * 257]}, "the body is not a poll request"),
        ({"setErrs": {"a\0b": {"err": "invalid_key"}}}, "the body is not a poll request"),
        ({"ack": "all"}, "the body is not a poll request"),
        ({"setErrs": {jti(1): {"err": "not a code\n"}}}, "the body is not a poll request"),
        (["ack"], "the body is not a poll request"),
    ],
)
def test_a_poll_that_is_none_changes_nothing(office: Office, stream: str, asked: Any, why: str) -> None:
    office.desktop.tell(1)
    answer = office.ask("POST", f"/ssf/poll/{stream}", json=asked)
    assert (answer.status_code, answer.json()["err"]) == (400, "invalid_request")
    assert answer.json()["description"].startswith(why)
    assert office.desktop.state(1) == "pending"


def test_a_body_without_end_is_cut_off(office: Office, stream: str) -> None:
    answer = office.ask("POST", f"/ssf/poll/{stream}", content=b"[" * 300_000)
    assert answer.status_code == 413


def test_a_paused_partner_polls_urgent_messages_and_a_paused_stream_none(office: Office, stream: str) -> None:
    office.desktop.tell(1)
    office.desktop.tell(2)
    office.desktop.tell(3, kind="withdrawal", supersedes=1)
    with office.desktop.engine.begin() as connection:
        allowances.pause(connection, "acquirer", "sara", NOW_MS)
    paused = office.ask("POST", "/ssf/status", json={"stream_id": stream, "status": "paused"})
    assert paused.json() == {"stream_id": stream, "status": "paused"}
    assert office.poll(stream)["sets"] == {}
    office.ask("POST", "/ssf/status", json={"stream_id": stream, "status": "enabled"})
    assert office.poll(stream)["sets"] == {jti(3): "sealed-3"}


def test_what_the_ledger_does_not_hold_is_an_alarm_and_is_not_handed_out(office: Office, stream: str) -> None:
    office.desktop.tell(1, ledgered=False)
    assert office.poll(stream)["sets"] == {}
    assert office.alarms == [("acquirer", 1)]


def test_a_stream_that_is_pushed_is_not_polled(office: Office) -> None:
    stream = office.stream(delivery={"method": PUSH, "endpoint_url": PUSH_URL})["stream_id"]
    answer = office.ask("POST", f"/ssf/poll/{stream}", ACQUIRER, json={"returnImmediately": True})
    assert (answer.status_code, answer.json()["description"]) == (404, "the stream is not polled")
