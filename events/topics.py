"""The topics: their names, what is kept in them and how long, which event goes where and under which key."""

import re
from collections.abc import Mapping
from typing import get_args

import msgspec

from events.types import ActivityEvent, AnyEvent, Label, LabelEvent, OrderEvent, VisitEvent, VisitRecorded

ORDERS = "orders"
VISITS = "visits"
ACTIVITY = "activity"
LABELS = "labels"
FACTS = "facts"
DECISIONS = "decisions"
QUARANTINE = "quarantine"
LATE = "late"
RULES = "rules"
MODELS = "models"
QUESTIONS = "questions"

UNIONS: Mapping[str, object] = {ORDERS: OrderEvent, VISITS: VisitEvent, ACTIVITY: ActivityEvent, LABELS: LabelEvent}
_TOPICS = {kind.__name__: topic for topic, union in UNIONS.items() for kind in get_args(union) or (union,)}
_PARTNER = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS


class TopicSpec(msgspec.Struct, frozen=True):
    """What a topic keeps: `retention_ms` after a record was appended, in segments of `segment_ms`.

    A `compacted` one keeps the last record of each key beyond that time. `partitions`: always so many, whatever the
    others have.
    """

    name: str
    retention_ms: int
    segment_ms: int = _DAY_MS
    compacted: bool = False
    partitions: int | None = None

    def configs(self, min_isr: int) -> dict[str, str]:
        """The topic's configuration in Kafka's terms.

        The broker stamps the records: "now" must be the same when a record is read again, and retention must not
        depend on a producer's clock.
        """
        kept = "min.compaction.lag.ms" if self.compacted else "retention.ms"
        return {
            "cleanup.policy": "compact" if self.compacted else "delete",
            "message.timestamp.type": "LogAppendTime",
            "min.insync.replicas": str(min_isr),
            kept: str(self.retention_ms),
            "segment.ms": str(self.segment_ms),
        }


# Personal data is gone an hour after its 72: a segment is deleted whole.
SPECS = (
    TopicSpec(ORDERS, 3 * _DAY_MS, _HOUR_MS),
    TopicSpec(VISITS, 3 * _DAY_MS, _HOUR_MS),
    TopicSpec(ACTIVITY, 3 * _DAY_MS, _HOUR_MS),
    TopicSpec(LABELS, 180 * _DAY_MS),
    TopicSpec(FACTS, 400 * _DAY_MS),
    TopicSpec(DECISIONS, 30 * _DAY_MS),
    TopicSpec(QUESTIONS, 30 * _DAY_MS),
    TopicSpec(QUARANTINE, 30 * _DAY_MS),
    TopicSpec(LATE, 30 * _DAY_MS),
    # Who promoted what, and when: all of it as long as the facts that it was decided on, the last of each set for good.
    TopicSpec(RULES, 400 * _DAY_MS, compacted=True, partitions=1),
    TopicSpec(MODELS, 400 * _DAY_MS, compacted=True, partitions=1),
)


def share_topic(partner: str) -> str:
    """The topic of one partner's messages; ValueError unless its name is lower-case letters, digits and hyphens."""
    return f"share.{_partner(partner)}.v1"


def share_ack_topic(partner: str) -> str:
    """The topic on which a partner acknowledges."""
    return f"share.{_partner(partner)}.ack.v1"


def share_specs(partner: str) -> tuple[TopicSpec, TopicSpec]:
    return TopicSpec(share_topic(partner), 7 * _DAY_MS), TopicSpec(share_ack_topic(partner), 7 * _DAY_MS)


def topic_of(event_type: str) -> str:
    """The topic of events of that type name; raises KeyError for an unknown one."""
    return _TOPICS[event_type]


def key_of(event: AnyEvent) -> str:
    """What keeps events in order: the customer, the session (where cookies are refused, the address), the order."""
    if isinstance(event, VisitRecorded):
        return event.session_id or event.ip
    return event.order_id if isinstance(event, Label) else event.customer_id


def _partner(partner: str) -> str:
    if not _PARTNER.fullmatch(partner):
        raise ValueError("a partner's name is lower-case letters, digits and hyphens, at most 63")
    return partner
