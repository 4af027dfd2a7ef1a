"""A worker whose stage writes down what it does, for the transport's tests.

python -m tests.streams.recording_worker PLAN      with the plan as JSON
"""

import asyncio
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Literal

import msgspec
from faust.types import TP

from events.errors import AmanaError
from streams import logs
from streams.worker import Worker, WorkerSettings, run

Kind = Literal["opened", "began", "done"]


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """One thing that a stage did; offsets are -1 where there are none."""

    kind: Kind
    partition: int
    first: int
    last: int
    at_ns: int


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What the stage shall do: take `chunk_s` a chunk, wait while `hold` exists, fail at an offset of partition 0.

    With `held`, that partition alone waits.
    """

    settings: WorkerSettings
    record: str
    hold: str
    chunk_s: float = 0.0
    held: int | None = None
    fail_at: int | None = None
    stated: bool = False
    fail_to_wire: bool = False


class Recording:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._hold = Path(plan.hold)
        self._record = Path(plan.record)

    async def open(self, tp: TP) -> None:
        self._write("opened", tp, -1, -1)

    async def idle(self, tp: TP) -> None:
        """Nothing to do."""

    async def handle(self, tp: TP, records: Sequence[Any]) -> None:
        first, last = records[0].offset, records[-1].offset
        assert [record.offset for record in records] == list(range(first, last + 1))
        self._write("began", tp, first, last)
        if self._plan.fail_at is not None and tp.partition == 0 and first <= self._plan.fail_at <= last:
            raise AmanaError("offset 0 is not there") if self._plan.stated else ValueError("layla@example.com")
        await asyncio.sleep(self._plan.chunk_s)
        while self._plan.held in (None, tp.partition) and self._hold.exists():  # noqa: ASYNC110 - the test is another process
            await asyncio.sleep(0.02)
        self._write("done", tp, first, last)

    def _write(self, kind: Kind, tp: TP, first: int, last: int) -> None:
        entry = Entry(kind, tp.partition, first, last, time.time_ns())
        with self._record.open("ab", buffering=0) as file:
            file.write(msgspec.json.encode(entry) + b"\n")


def main() -> None:
    plan = msgspec.json.decode(sys.argv[1], type=Plan)
    logs.configure()

    async def wire(_: Worker, __: AsyncExitStack) -> Recording:
        if plan.fail_to_wire:
            raise AmanaError("no topic orders")
        return Recording(plan)

    run(lambda: Worker(plan.settings, wire))


if __name__ == "__main__":
    main()
