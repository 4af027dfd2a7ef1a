"""Takes what is due to each partner and sends it the way that the partner has; a slow one keeps no other waiting."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

import structlog

from sharing.delivery.desk import Desk, Failed, Outcome, Settled
from sharing.delivery.outbox import Parcel

log = structlog.get_logger()

TICK_S = 0.1
SWEEP_S = 30.0

Send = Callable[[str, Sequence[Parcel]], Awaitable[Sequence[Outcome]]]


class Way(NamedTuple):
    """A way to one partner. `send` gives an outcome for each message, in order; what it raises failed for all.

    `at_most` messages at a time: so many that all have an outcome before their lease is over.
    """

    send: Send
    at_most: int = 200


class Heard(Protocol):
    """What is counted; partners and reasons are a few words, no value of anybody's."""

    def settled(self, partner: str, settled: Settled) -> None: ...

    def failed(self, partner: str, reason: str) -> None: ...

    def unledgered(self, partner: str, rows: int) -> None: ...

    def overdue(self, late: Mapping[str, int]) -> None: ...

    def swept(self, desk: Desk) -> None: ...


class Deliverer:
    """`way` gives the way to a partner now, or None where the partner fetches its messages itself."""

    def __init__(self, desk: Desk, way: Callable[[str], Way | None], heard: Heard) -> None:
        self._desk = desk
        self._way = way
        self._heard = heard
        self._busy: dict[str, asyncio.Task[None]] = {}
        self.ready = False

    async def run(self) -> None:
        """For ever. Raises what the database's client does; a successor begins where this one was."""
        swept_at = -SWEEP_S
        loop = asyncio.get_running_loop()
        try:
            while True:
                await self.look()
                self.ready = True
                if loop.time() - swept_at >= SWEEP_S:
                    swept_at = loop.time()
                    await self.sweep()
                await asyncio.sleep(TICK_S)
        finally:
            await self.stop()

    async def look(self) -> None:
        """Start on every partner that something is due to and that is not being served yet."""
        for partner, task in list(self._busy.items()):
            if task.done():
                del self._busy[partner]
                task.result()
        due = await asyncio.to_thread(self._desk.due)
        for partner in sorted(due - set(self._busy)):
            way = await asyncio.to_thread(self._way, partner)
            if way is not None:
                self._busy[partner] = asyncio.ensure_future(self._serve(partner, way))

    async def idle(self) -> None:
        """Wait until all that was started on has ended."""
        for task in list(self._busy.values()):
            await task

    async def stop(self) -> None:
        for task in self._busy.values():
            task.cancel()
        await asyncio.gather(*self._busy.values(), return_exceptions=True)

    async def sweep(self) -> None:
        late, forgotten = await asyncio.to_thread(self._desk.sweep)
        if late:
            log.warning("disclosures.overdue", **{partner.replace("-", "_"): count for partner, count in late.items()})
            self._heard.overdue(late)
        if forgotten:
            log.warning("outbox.expired", messages=forgotten)
        await asyncio.to_thread(self._heard.swept, self._desk)

    async def _serve(self, partner: str, way: Way) -> None:
        claimed = await asyncio.to_thread(self._desk.claim, partner, way.at_most)
        if claimed.unledgered:
            # Somebody wrote to the outbox who is not the projector: a person must look.
            log.error("outbox.unledgered", partner=partner, messages=len(claimed.unledgered))
            self._heard.unledgered(partner, len(claimed.unledgered))
        if not claimed.parcels:
            return
        outcomes = await _sent(way, partner, claimed.parcels)
        for outcome in outcomes:
            if isinstance(outcome, Failed):
                self._heard.failed(partner, outcome.reason)
        pairs = list(zip(claimed.parcels, outcomes, strict=True))
        self._heard.settled(partner, await asyncio.to_thread(self._desk.settle, partner, pairs))


async def _sent(way: Way, partner: str, parcels: Sequence[Parcel]) -> Sequence[Outcome]:
    try:
        return await way.send(partner, parcels)
    except Exception as error:  # noqa: BLE001 - a carrier's client may raise anything; the messages stay ours
        log.warning("delivery.failed", partner=partner, error=type(error).__name__, messages=len(parcels))
        return [Failed("carrier")] * len(parcels)
