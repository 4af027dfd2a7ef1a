"""Labels of review's outbox to their topic: by the projector, which has partners' reports made into some."""

from collections.abc import Sequence

from events.publisher import Publisher
from events.types import LabelEvent
from review.chores import publish_due
from review.store import CaseStore


def publish_pending(store: CaseStore, brokers: str, now_ms: int) -> int:
    """Publish what is pending and may leave by now; how many labels that were. Raises Unreachable."""

    def publish(labels: Sequence[LabelEvent]) -> None:
        with Publisher(brokers) as publisher:
            publisher.publish_many(labels)

    return publish_due(store, publish, now_ms)
