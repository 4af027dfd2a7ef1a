"""What must happen without anybody's click: claims lapse, snoozed cases wake, labels leave when their time has come.

Several consoles may do the chores of one database: a case moves once, and a label that two publish has one id.
"""

import threading
from collections.abc import Callable, Sequence

import structlog

from events.questions import InformationAsked
from events.types import LabelEvent
from models.decisions import Decision
from review.desk import Desk
from review.store import CaseStore

log = structlog.get_logger()

SWEEP_MS = 60_000

Publish = Callable[[Sequence[LabelEvent]], None]
PublishDecisions = Callable[[Sequence[Decision]], None]
PublishQuestions = Callable[[Sequence[InformationAsked]], None]


class Chores:
    """`publish` returns once the labels are durable where they go; `clock` gives milliseconds since the epoch.

    `labels_go`: whether there is anywhere for labels to go; if not, they wait, as decisions do without `supersede`,
    which returns once the order service's decisions are durable, and questions without `ask`. `sweep` forgets what has
    ended by a time, once a minute: it looks at all there is.
    """

    def __init__(
        self,
        desk: Desk,
        cases: CaseStore,
        publish: Publish,
        clock: Callable[[], int],
        *,
        labels_go: bool = True,
        supersede: PublishDecisions | None = None,
        ask: PublishQuestions | None = None,
        sweep: Callable[[int], object] | None = None,
    ) -> None:
        self._sweep = sweep
        self._swept_ms = 0
        self._ask = ask
        self._supersede = supersede
        self._labels_go = labels_go
        self._desk = desk
        self._cases = cases
        self._publish = publish
        self._clock = clock

    def round(self) -> None:
        """All that is due now."""
        while self._desk.tick(self._clock()):
            pass
        if self._labels_go:
            publish_due(self._cases, self._publish, self._clock())
        decisions = self._cases.pending_decisions(self._clock()) if self._supersede else ()
        if self._supersede and decisions:
            self._supersede([decision for _, decision in decisions])
            self._cases.mark_published([event_id for event_id, _ in decisions])
        questions = self._cases.pending_questions(self._clock()) if self._ask else ()
        if self._ask and questions:
            self._ask(questions)
            self._cases.mark_published([question.event_id for question in questions])
        if self._sweep and self._clock() >= self._swept_ms + SWEEP_MS:
            self._sweep(self._clock())
            self._swept_ms = self._clock()

    def run(self, stopped: threading.Event, pause_s: float) -> None:
        """Round after round until `stopped`. What fails is tried again: nothing is forgotten before it is durable."""
        while not stopped.wait(pause_s):
            try:
                self.round()
            except Exception as error:  # noqa: BLE001 - whatever it was, the next round tries again
                log.warning("chores.failed", error=type(error).__name__)


def publish_due(cases: CaseStore, publish: Publish, now_ms: int) -> int:
    """Publish the labels that may leave by now, and forget them once they are durable; how many they were.

    A crash in between publishes them again, byte for byte: a label's id tells a repeat.
    """
    labels = cases.pending_labels(now_ms)
    if labels:
        publish(labels)
        cases.mark_published([label.event_id for label in labels])
    return len(labels)
