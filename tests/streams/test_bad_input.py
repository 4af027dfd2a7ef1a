"""Bad input on the real path: what others may put on the topics, record for record among good orders."""

import copy
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import MessageSizeTooLargeError

from events import admin, topics
from events.facts import LabelFact
from events.facts import decode as decode_fact
from features.definitions import DEFINITIONS
from models.decisions import Decision, Reason
from models.decisions import decode as decode_decision
from streams import lateness
from streams.intake import Quarantined
from tests.events.examples import activity, body, label, order, spoilt, visit
from tests.harness import Kafka, Redis, wait_until
from tests.streams.canaries import Mint, Search
from tests.streams.pipeline import Pipeline

PARTITIONS = 2
MB = 1024 * 1024
PURGE_AFTER_S = 4
MINT = Mint(3)
NAME, CARD = MINT.name(), MINT.card()

pytestmark = pytest.mark.timeout(180)


class Bad(NamedTuple):
    """What is sent, and how it is refused; `readable`: the order's id is, so it gets a decision all the same."""

    topic: str
    body: bytes | None
    reason: str
    field: str | None = None
    readable: bool = False


def at_now(event: dict[str, Any]) -> dict[str, Any]:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return event | {field: now for field in ("occurred_at", "labelled_at") if field in event}


def named(order_id: str, **changes: Any) -> dict[str, Any]:
    """An order of its own, a canary for its customer's name."""
    event = copy.deepcopy(order(order_id=order_id, event_id=f"e-{order_id}", **changes))
    return at_now(spoilt(event, "contact.name", NAME))


def written(order_id: str, old: str, new: str) -> bytes:
    """An order with a piece of its JSON replaced."""
    text = body(named(order_id)).decode()
    assert old in text
    return text.replace(old, new, 1).encode("utf-8", "surrogatepass")


ORDERS = topics.ORDERS
BAD: dict[str, Bad] = {
    "undecodable bytes": Bad(ORDERS, b"\xff\xfe\x00" + NAME.encode(), "undecodable"),
    "undecodable bytes after an id": Bad(ORDERS, body(named("bad-bytes")) + b"\xff", "undecodable", readable=True),
    "an empty body": Bad(ORDERS, b"", "empty"),
    "a null value": Bad(ORDERS, None, "empty"),
    "an empty body in visits": Bad(topics.VISITS, b"", "empty"),
    "10 MB of an order": Bad(
        ORDERS, body(named("bad-large", user_agent=NAME * (10 * MB // len(NAME.encode())))), "too_large", readable=True
    ),
    "10 MB of no JSON": Bad(ORDERS, b"x" * 10 * MB, "too_large"),
    "100,000 brackets": Bad(ORDERS, b"[" * 100_000, "too_large"),
    "30,000 brackets": Bad(ORDERS, b"[" * 30_000, "too_deep"),
    "30,000 brackets in a field": Bad(
        topics.VISITS, b'{"type":"VisitRecorded","path":' + b"[" * 30_000 + b"]" * 30_000 + b"}", "too_deep"
    ),
    "an unknown event type": Bad(ORDERS, body(named("bad-type", type="OrderDreamt")), "unknown_type", "type", True),
    "NaN": Bad(ORDERS, written("bad-nan", '"amount_minor":120000', '"amount_minor":NaN'), "undecodable", None, True),
    "an infinite amount": Bad(
        ORDERS, written("bad-inf", '"amount_minor":120000', '"amount_minor":1e999'), "undecodable", None, True
    ),
    "a key twice": Bad(
        ORDERS, written("bad-key", '"currency":"SAR"', '"currency":"SAR","currency":"USD"'), "duplicate_key", None, True
    ),
    "two order ids": Bad(
        ORDERS, written("bad-ids", '"order_id":', '"order_id":"other","order_id":'), "duplicate_key", None, False
    ),
    "a lone surrogate escaped": Bad(ORDERS, written("bad-lone", NAME, r"\ud800"), "undecodable", None, True),
    "a lone surrogate in bytes": Bad(ORDERS, written("bad-raw", NAME, "\udfff"), "undecodable", None, True),
    "a visit among orders": Bad(ORDERS, body(at_now(visit())), "wrong_topic", "type"),
    "an order among visits": Bad(topics.VISITS, body(named("bad-topic")), "wrong_topic", "type"),
    "a label among activity": Bad(topics.ACTIVITY, body(at_now(label("FraudConfirmed"))), "wrong_topic", "type"),
    "a card number in a gift note": Bad(
        ORDERS, body(named("bad-note", gift_note=f"for {NAME} {CARD}")), "card_number", None, True
    ),
    "a card number in an item's title": Bad(
        ORDERS, body(spoilt(named("bad-title"), "items.0.title", CARD)), "card_number", "items.title", True
    ),
    "a card number in a path": Bad(topics.VISITS, body(at_now(visit(path=f"/{CARD}"))), "card_number", "path"),
    "an unknown field": Bad(ORDERS, body(named("bad-field", **{NAME: NAME})), "unknown_field", None, True),
    "a verification value": Bad(ORDERS, body(named("bad-cvv", cvv="123")), "card_verification_value", None, True),
    "a password": Bad(topics.ACTIVITY, body(at_now(activity("LoggedIn", password=NAME))), "credentials"),
    "a negative amount": Bad(
        ORDERS, body(named("bad-minus", amount_minor=-1)), "negative_amount", "amount_minor", True
    ),
    "a future time": Bad(
        ORDERS, body(named("bad-time") | {"occurred_at": "2099-01-01T00:00:00Z"}), "future_time", "occurred_at", True
    ),
    "a label that is no JSON": Bad(topics.LABELS, NAME.encode(), "undecodable"),
    "an empty label": Bad(topics.LABELS, b"", "empty"),
    "a card number in a label": Bad(
        topics.LABELS, body(at_now(label("FraudConfirmed", order_id=CARD))), "card_number", "order_id"
    ),
}
GARBAGE = (
    None,
    b"",
    b"\xff\xfe",
    NAME.encode(),
    b"[" * 100_000,
    b'{"fact":"order"}',
    b'{"decision_id":7}',
    b'{"fact":"\xff"}',
    b"null",
)
UNDECODABLE = {topics.FACTS: "fact.undecodable", topics.DECISIONS: "decision.undecodable"}


class Outcome(NamedTuple):
    """What became of everything that was sent; `places` are of the bad records, by their names."""

    pipeline: Pipeline
    places: dict[str, tuple[str, int, int]]
    good: list[str]
    decisions: dict[str, Decision]
    quarantine: dict[tuple[str, int, int], Quarantined]


class Raw:
    """A foreign producer: what is given to it is sent as it is."""

    def __init__(self, brokers: str) -> None:
        self._producer: Any = KafkaProducer(bootstrap_servers=brokers, max_request_size=20 * MB, acks="all")

    def send(self, topic: str, value: bytes | None, partition: int = 0) -> tuple[str, int, int]:
        metadata = self._producer.send(topic, value, NAME.encode(), partition=partition).get(timeout=20)
        return topic, partition, metadata.offset

    def close(self) -> None:
        self._producer.close()


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    folder = tmp_path_factory.mktemp("bad-input")
    with Kafka() as kafka, Redis() as redis, Pipeline(kafka.brokers, redis.url, folder, partitions=PARTITIONS) as made:
        yield made


@pytest.fixture(scope="module")
def raw(pipeline: Pipeline) -> Iterator[Raw]:
    producer = Raw(pipeline.brokers)
    yield producer
    producer.close()


@pytest.fixture(scope="module")
def outcome(pipeline: Pipeline, raw: Raw) -> Outcome:
    """Everything bad, one after another with a good order behind each, and garbage where only we write."""
    accept_large(pipeline.brokers)
    for topic in (topics.FACTS, topics.DECISIONS):
        for value in GARBAGE:
            raw.send(topic, value)
    places, good = {}, []
    for number, (name, bad) in enumerate(BAD.items()):
        places[name] = raw.send(bad.topic, bad.body)
        good.append(f"good-{number}")
        raw.send(ORDERS, body(named(good[-1])))
    for stage in ("intake", "screen", "history", "opener"):
        pipeline.start(stage, AMANA_PURGE_AFTER=str(PURGE_AFTER_S))
    expected = len(good) + sum(bad.readable for bad in BAD.values())
    decisions = pipeline.wait_for(topics.DECISIONS, expected + len(GARBAGE))[len(GARBAGE) :]
    entries = [msgspec.json.decode(r.value, type=Quarantined) for r in pipeline.wait_for(topics.QUARANTINE, len(BAD))]
    quarantine = {(e.source.topic, e.source.partition, e.source.offset): e for e in entries}
    decided = [decode_decision(record.value) for record in decisions]
    return Outcome(pipeline, places, good, {decision.order_id: decision for decision in decided}, quarantine)


def accept_large(brokers: str) -> None:
    client = admin.connect(brokers)
    try:
        client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, ORDERS, {"max.message.bytes": str(16 * MB)})])
    finally:
        client.close()


def logged(log: Path, event: str) -> list[dict[str, Any]]:
    """A log's lines of one event, as far as they are written."""
    lines = map(msgspec.json.decode, log.read_text().rpartition("\n")[0].splitlines())
    return [line for line in lines if line["event"] == event]


def kill(pipeline: Pipeline, name: str) -> None:
    pipeline.signal(name, signal.SIGKILL)
    pipeline.processes[name].wait()


def first_offset(brokers: str, topic: str, partition: int = 0) -> int:
    consumer: Any = KafkaConsumer(bootstrap_servers=brokers)
    try:
        tp = TopicPartition(topic, partition)
        return int(consumer.beginning_offsets([tp])[tp])
    finally:
        consumer.close()


@pytest.mark.parametrize("name", list(BAD))
def test_bad_input_is_quarantined_by_its_place_and_reason(outcome: Outcome, name: str) -> None:
    bad = BAD[name]
    entry = outcome.quarantine[outcome.places[name]]
    assert (entry.reason, entry.field) == (f"refused.{bad.reason}", bad.field)


def test_every_order_with_a_readable_id_is_decided_and_no_other(outcome: Outcome) -> None:
    readable = [re.findall(rb'"order_id":"([a-z-]+)"', bad.body or b"") for bad in BAD.values() if bad.readable]
    assert outcome.decisions.keys() == {*outcome.good, *(order_id.decode() for (order_id,) in readable)}


def test_a_card_number_in_a_gift_note_gets_review_not_silence(outcome: Outcome) -> None:
    decision = outcome.decisions["bad-note"]
    assert (decision.outcome, decision.mode, decision.reasons) == (
        "review",
        "refused",
        (Reason("refused.card_number"),),
    )


def test_good_orders_among_bad_input_are_judged_as_ever(outcome: Outcome) -> None:
    assert {outcome.decisions[order_id].mode for order_id in outcome.good} == {"rules"}


@pytest.mark.parametrize(
    ("topic", "stage"),
    [("facts", "screen"), ("facts", "history"), ("decisions", "history"), ("decisions", "opener")],
)
def test_garbage_where_only_we_write_is_logged_by_its_place_and_skipped(
    outcome: Outcome, topic: str, stage: str
) -> None:
    log = outcome.pipeline.log(f"{stage}-0")
    wait_until(lambda: len(logged(log, UNDECODABLE[topic])) >= len(GARBAGE), 30, f"{stage} to pass the garbage")
    lines = logged(log, UNDECODABLE[topic])
    assert sorted(line["offset"] for line in lines) == list(range(len(GARBAGE)))
    assert set().union(*lines) <= {"event", "level", "offset", "partition", "timestamp"}


def test_a_label_behind_bad_labels_becomes_a_fact(outcome: Outcome, raw: Raw) -> None:
    raw.send(topics.LABELS, body(at_now(label("FraudConfirmed", order_id=outcome.good[0]))))

    def labelled() -> list[LabelFact]:
        values = [record.value for record in outcome.pipeline.read(topics.FACTS)][len(GARBAGE) :]
        return [fact for fact in map(decode_fact, values) if isinstance(fact, LabelFact)]

    wait_until(lambda: bool(labelled()), 30, "the label's fact")
    assert [fact.order_id for fact in labelled()] == [outcome.good[0]]


def test_nothing_of_what_was_sent_is_in_a_log_or_behind_intake(outcome: Outcome) -> None:
    search = Search(MINT.made)
    kept = {
        topic: b"\n".join((record.key or b"") + record.value for record in outcome.pipeline.read(topic) if record.value)
        for topic in (topics.QUARANTINE, topics.LATE, topics.share_topic("acquirer"))
    }
    decided = b"\n".join(map(msgspec.json.encode, outcome.decisions.values()))
    leaks = {topic: search.found(text) for topic, text in (kept | {"decisions": decided}).items()}
    leaks["logs"] = search.found(outcome.pipeline.logs().encode())
    assert not any(leaks.values()), leaks


def test_every_process_goes_on(outcome: Outcome) -> None:
    assert {name: process.poll() for name, process in outcome.pipeline.processes.items()} == dict.fromkeys(
        ("intake-0", "screen-0", "history-0", "opener-0")
    )


def test_a_broker_refuses_10_mb_unless_the_topic_allows_them(pipeline: Pipeline) -> None:
    producer = Raw(pipeline.brokers)
    with pytest.raises(MessageSizeTooLargeError):
        producer.send(topics.ACTIVITY, b"x" * 10 * MB)
    producer.close()


def test_after_an_alarm_the_raw_records_up_to_it_are_gone_and_those_behind_are_not(outcome: Outcome, raw: Raw) -> None:
    raw.send(topics.VISITS, body(at_now(visit())), 1)
    _, _, alarm = raw.send(topics.VISITS, body(at_now(visit(path=f"/{CARD}"))), 1)
    raw.send(topics.VISITS, body(at_now(visit())), 1)
    brokers = outcome.pipeline.brokers
    wait_until(lambda: first_offset(brokers, topics.VISITS, 1) > 0, 30, "the purge")
    assert first_offset(brokers, topics.VISITS, 1) == alarm + 1
    raised = logged(outcome.pipeline.log("intake-0"), "card_number.alarm")
    assert (topics.VISITS, 1, alarm) in [(line["topic"], line["partition"], line["offset"]) for line in raised]


def test_an_order_of_1970_is_decided_and_told_of_as_late(outcome: Outcome, raw: Raw) -> None:
    long_ago = named("of-1970") | {"occurred_at": "1970-01-01T00:00:00Z"}
    _, partition, offset = raw.send(ORDERS, body(long_ago))
    (record,) = outcome.pipeline.wait_for(topics.LATE, 1)
    late = lateness.decode(record.value)
    assert (record.partition, late.source.topic, late.source.partition, late.source.offset) == (0, ORDERS, 0, offset)
    assert (late.event, late.late_s > 1_700_000_000, partition) == ("OrderPlaced", True, 0)
    decisions = [decode_decision(r.value) for r in outcome.pipeline.read(topics.DECISIONS)[len(GARBAGE) :]]
    (decision,) = [each for each in decisions if each.order_id == "of-1970"]
    vector = dict(zip(DEFINITIONS.names, np.frombuffer(decision.vector or b""), strict=True))
    assert vector["customer.age_s"] == 0


def test_a_card_number_in_a_label_is_purged_too(outcome: Outcome) -> None:
    _, _, alarm = outcome.places["a card number in a label"]
    wait_until(lambda: first_offset(outcome.pipeline.brokers, topics.LABELS) > alarm, 30, "the purge")


def test_an_alarm_is_not_forgotten_by_a_killed_intake(outcome: Outcome, raw: Raw) -> None:
    pipeline = outcome.pipeline
    kill(pipeline, "intake-0")
    pipeline.start("intake", AMANA_PURGE_AFTER="3600")
    _, _, alarm = raw.send(topics.ACTIVITY, body(at_now(activity("LoggedIn", device_id=CARD.replace(" ", "")))), 1)
    place = {"topic": topics.ACTIVITY, "partition": 1, "offset": alarm}
    log = pipeline.log("intake-0")
    wait_until(lambda: any(place.items() <= line.items() for line in logged(log, "card_number.alarm")), 30, "the alarm")
    assert first_offset(pipeline.brokers, topics.ACTIVITY, 1) == 0
    kill(pipeline, "intake-0")
    pipeline.start("intake", AMANA_PURGE_AFTER=str(PURGE_AFTER_S))
    wait_until(lambda: first_offset(pipeline.brokers, topics.ACTIVITY, 1) == alarm + 1, 30, "the purge")
