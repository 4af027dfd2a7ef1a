"""Labels of review's outbox to their topic: by the projector, which has partners' reports made into some."""

from events.publisher import Publisher
from review.store import CaseStore


def publish_pending(store: CaseStore, brokers: str, now_ms: int) -> int:
    """Publish what is pending and may leave by now, and forget it once the brokers have it; how many labels that were.

    Raises Unreachable. A crash in between publishes them again, byte for byte: a label's id tells a repeat.
    """
    labels = store.pending_labels(now_ms)
    if labels:
        with Publisher(brokers) as publisher:
            publisher.publish_many(labels)
        store.mark_published([label.event_id for label in labels])
    return len(labels)
