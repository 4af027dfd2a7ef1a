"""What delivery measures, in a worker's own registry. Labels are partners and reasons from closed sets."""

from collections.abc import Callable, Mapping

from prometheus_client import Counter, Gauge

from sharing.delivery.desk import Desk, Settled
from streams.metrics import Metrics


class DeliveryMetrics:
    """A deliverer's `Heard`. `look` is done at every sweep."""

    def __init__(self, metrics: Metrics, look: Callable[[], None] = lambda: None) -> None:
        self._look = look
        registry = metrics.registry
        self.sent = Counter("amana_delivered", "Messages that a partner's carrier has", ["partner"], registry=registry)
        self.failures = Counter(
            "amana_delivery_failures", "Attempts that failed", ["partner", "reason"], registry=registry
        )
        self.dead = Counter("amana_dead_letters", "Messages that were given up", ["partner"], registry=registry)
        self.alarms = Counter(
            "amana_unledgered", "Rows of the outbox that the ledger does not hold: an alarm", ["partner"],
            registry=registry,
        )  # fmt: skip
        self.late = Counter("amana_overdue", "Messages not acknowledged in time", ["partner"], registry=registry)
        self.answers = Counter(
            "amana_partner_answers", "Acknowledgements, by what became of them", ["partner", "told"], registry=registry
        )
        self.waiting = Gauge(
            "amana_outbox", "Messages in the outbox: to send, to be answered, dead", ["partner", "part"],
            registry=registry,
        )  # fmt: skip
        self.states = Gauge("amana_disclosures", "Disclosures by state", ["partner", "state"], registry=registry)

    def settled(self, partner: str, settled: Settled) -> None:
        self.sent.labels(partner).inc(settled.sent)
        self.dead.labels(partner).inc(settled.dead)

    def failed(self, partner: str, reason: str) -> None:
        self.failures.labels(partner, reason).inc()

    def unledgered(self, partner: str, rows: int) -> None:
        self.alarms.labels(partner).inc(rows)

    def overdue(self, late: Mapping[str, int]) -> None:
        for partner, count in late.items():
            self.late.labels(partner).inc(count)

    def answered(self, partner: str, told: str) -> None:
        self.answers.labels(partner, told).inc()

    def swept(self, desk: Desk) -> None:
        self._look()
        waiting, states = desk.counts()
        for partner, counts in waiting.items():
            for part, count in zip(("to_send", "to_be_answered", "dead"), counts, strict=True):
                self.waiting.labels(partner, part).set(count)
        for (partner, state), count in states.items():
            self.states.labels(partner, state).set(count)
