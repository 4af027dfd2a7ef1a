import pytest

from events import topics, types
from events.guard import admit
from tests.events.examples import ACTIVITIES, RECORDED_AT_MS, activity, body, label, order, visit

HOUR_MS = 3_600_000


def event(topic: str, given: dict[str, object]) -> types.AnyEvent:
    found = admit(topic, body(given), RECORDED_AT_MS)
    assert isinstance(found, types.Event)
    return found


@pytest.mark.parametrize(
    ("name", "retention_h", "segment_h"),
    [
        ("orders", 72, 1),
        ("visits", 72, 1),
        ("activity", 72, 1),
        ("labels", 180 * 24, 24),
        ("facts", 400 * 24, 24),
        ("decisions", 30 * 24, 24),
        ("questions", 30 * 24, 24),
        ("quarantine", 30 * 24, 24),
        ("late", 30 * 24, 24),
    ],
)
def test_a_topic_keeps_its_records_as_long_as_the_design_says(name: str, retention_h: int, segment_h: int) -> None:
    (spec,) = [spec for spec in topics.SPECS if spec.name == name]
    assert spec.configs(min_isr=2) == {
        "cleanup.policy": "delete",
        "message.timestamp.type": "LogAppendTime",
        "min.insync.replicas": "2",
        "retention.ms": str(retention_h * HOUR_MS),
        "segment.ms": str(segment_h * HOUR_MS),
    }


def test_promoted_rules_are_all_kept_as_long_as_facts_and_the_last_of_a_set_for_good() -> None:
    (spec,) = [spec for spec in topics.SPECS if spec.name == topics.RULES]
    assert spec.partitions == 1
    assert spec.configs(min_isr=2) == {
        "cleanup.policy": "compact",
        "message.timestamp.type": "LogAppendTime",
        "min.insync.replicas": "2",
        "min.compaction.lag.ms": str(400 * 24 * HOUR_MS),
        "segment.ms": str(24 * HOUR_MS),
    }


def test_a_partner_has_two_topics_for_seven_days() -> None:
    assert topics.share_topic("acquirer") == "share.acquirer.v1"
    assert [(spec.name, spec.retention_ms) for spec in topics.share_specs("acquirer")] == [
        ("share.acquirer.v1", 7 * 24 * HOUR_MS),
        ("share.acquirer.ack.v1", 7 * 24 * HOUR_MS),
    ]


@pytest.mark.parametrize("partner", ["", "Acquirer", "a.b", "a/b", "-a", "a" * 64, "a\n"])
def test_a_partners_name_cannot_make_another_topic(partner: str) -> None:
    with pytest.raises(ValueError, match="lower-case letters"):
        topics.share_topic(partner)


def test_every_type_of_event_has_its_topic() -> None:
    assert topics.topic_of("OrderPlaced") == "orders"
    assert topics.topic_of("VisitRecorded") == "visits"
    assert {topics.topic_of(kind) for kind in ACTIVITIES} == {"activity"}
    assert {topics.topic_of(kind) for kind in ("ChargebackReceived", "FraudConfirmed", "FraudDismissed")} == {"labels"}


def test_an_unknown_type_has_no_topic() -> None:
    with pytest.raises(KeyError):
        topics.topic_of("Elsewhere")


def test_events_are_keyed_by_whom_their_order_matters_to() -> None:
    assert topics.key_of(event("orders", order())) == "c-1"
    assert topics.key_of(event("visits", visit())) == "s-1"
    assert topics.key_of(event("visits", visit(session_id=None))) == "2001:db8:1:2:3:4:5:6"
    assert {topics.key_of(event("activity", activity(kind))) for kind in ACTIVITIES} == {"c-1"}
    assert topics.key_of(event("labels", label("FraudConfirmed"))) == "o-1"
