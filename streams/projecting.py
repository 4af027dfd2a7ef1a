"""The projector's loop: triggers as they come, batches at their hour, new epochs before their day."""

import asyncio
from collections.abc import Callable

import structlog
from prometheus_client import Counter

from sharing.projecting import Projecting, Step
from streams.metrics import Metrics

log = structlog.get_logger()

TICK_S = 0.2
HOUSEKEEPING_S = 5.0


class ProjectorMetrics:
    """Labels are partners and kinds of messages: never a value of a case."""

    def __init__(self, metrics: Metrics) -> None:
        self._shared = metrics.shared
        self._kinds = Counter(
            "amana_disclosures", "Messages to partners that were recorded", ["kind"], registry=metrics.registry
        )
        self._failed = Counter(
            "amana_projections_failed", "Triggers that somebody must look at", registry=metrics.registry
        )

    def count(self, step: Step) -> None:
        for partner, kind in step.recorded:
            self._shared.labels(partner).inc()
            self._kinds.labels(kind).inc()
        for why in step.failures:
            self._failed.inc()
            log.error("projection.failed", why=why)


class Loop:
    """`between` is done every few seconds; `ready` once the first step has found the database as it must be.

    `projecting` gives the parts that hold now: `between` may change them.
    """

    def __init__(
        self, projecting: Callable[[], Projecting], metrics: ProjectorMetrics, between: Callable[[], None]
    ) -> None:
        self._projecting = projecting
        self._metrics = metrics
        self._between = between
        self.ready = False

    async def run(self) -> None:
        """For ever. Raises what the database's client does."""
        now, at = asyncio.get_running_loop().time, 0.0
        while True:
            step = await asyncio.to_thread(self._projecting().step)
            self._metrics.count(step)
            self.ready = True
            if now() >= at:
                at = now() + HOUSEKEEPING_S
                self._metrics.count(await asyncio.to_thread(self._projecting().release))
                self._metrics.count(await asyncio.to_thread(self._projecting().announce))
                await asyncio.to_thread(self._between)
            if not step.taken:
                await asyncio.sleep(TICK_S)
