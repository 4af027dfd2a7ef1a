"""Ends a worker that is no longer a member of its group: another process took its place, or its client gave up.

A member of a lasting name takes the place of an earlier one at once: that is how a restart gets its partitions back.
The earlier one, where it is still alive, hears that it is unknown, and the client would join again and put the other
out: two workers of one name would then go on for ever repeating records to each other, and commit nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from kafka.errors import KafkaError

from events import admin
from streams.errors import Replaced
from streams.lanes import heard_by

log = structlog.get_logger()

Lost = Callable[[str], Awaitable[None]]
Fail = Callable[[BaseException], None]


def watch_over(coordinator: Any, lost: Lost, fail: Fail) -> None:
    """Have `lost` called with the member's id, before aiokafka's coordinator joins again, once its group forgot it.

    `fail` hears of the error that ends the coordinator's own task, which nobody else does: a broker that knows of none
    while it starts is one, and the worker would wait for partitions for ever.
    """
    coordinator._coordination_task.add_done_callback(heard_by(fail))
    join, member = coordinator.ensure_active_group, ""

    async def ensure_active_group(*arguments: Any) -> Any:
        nonlocal member
        if member and not coordinator.member_id:
            gone, member = member, ""
            await lost(gone)
        assignment = await join(*arguments)
        member = coordinator.member_id or member
        return assignment

    coordinator.ensure_active_group = ensure_active_group


async def check_place(brokers: str, group: str, instance: str, member: str) -> None:
    """Raises Replaced where the group has another member of that lasting name. No answer is no reason to end."""
    try:
        found = await asyncio.to_thread(admin.members, brokers, group)
    except KafkaError as error:
        log.warning("group.unreachable", error=type(error).__name__)
        return
    if found.get(instance, member) != member:
        raise Replaced(
            f"another process is {instance} of group {group} now; expected one process of that name: "
            "give each its own --instance"
        )
