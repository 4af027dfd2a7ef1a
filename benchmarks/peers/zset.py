"""Velocity as the usual tutorials write it: a sorted set an entity, an event a member, its second the score.

ZREMRANGEBYSCORE forgets, ZRANGEBYSCORE reads a window, ZADD counts, EXPIRE frees. A window's members carry their
amounts, so one range gives its count and its sum, and ZCOUNT is left out. The windows begin where ours do, so the
numbers are ours: tests/benchmarks/test_peers.py.
"""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from benchmarks.peers.pipelined import Command, Moment, Pipelined, bare, moment_of
from events.facts import OrderFact
from features.definitions import LATENESS_S, WINDOWS
from features.script import TTL_S


class Zset(Pipelined):
    """A range a window."""

    name = "zset"
    commands = 3 + len(WINDOWS)

    def ask(self, place: str, moment: Moment) -> list[Command]:
        after = until(moment)
        return [
            forget(place, moment),
            *(("ZRANGEBYSCORE", place, begin, after) for begin in moment.begins),
            *count(place, moment),
        ]

    def numbers(self, place: str, moment: Moment, answers: Sequence[Any]) -> list[int]:  # noqa: ARG002
        windows = answers[1 : 1 + len(WINDOWS)]
        return [len(members) for members in windows] + [sum(map(_amount, members)) for members in windows]

    async def learn(self, orders: Sequence[OrderFact]) -> None:
        members: dict[str, list[str | int]] = {}
        for order in orders:
            moment = moment_of(order)
            for _, place in self.places(order):
                members.setdefault(place, []).extend((moment.second, member_of(moment)))
        for place, pairs in members.items():
            await self.client.execute_command("ZADD", place, *pairs)  # type: ignore[no-untyped-call]


class ZsetOnce(Zset):
    """One range, of the longest window, from which the client makes the others: fewer commands than tutorials have."""

    name = "zset, one range"
    commands = 4

    def ask(self, place: str, moment: Moment) -> list[Command]:
        longest = ("ZRANGEBYSCORE", place, moment.begins[-1], until(moment))
        return [forget(place, moment), longest, *count(place, moment)]

    def numbers(self, place: str, moment: Moment, answers: Sequence[Any]) -> list[int]:  # noqa: ARG002
        members = answers[1]
        if not members:
            return [0] * (2 * len(WINDOWS))
        seconds = [int(member.partition(b":")[0]) for member in members]
        totals = [0, *accumulate(map(_amount, members))]
        starts = [bisect_left(seconds, begin) for begin in moment.begins]
        return [len(members) - start for start in starts] + [totals[-1] - totals[start] for start in starts]


class ZsetBare(ZsetOnce):
    """One range, and no client library: what is left is the server's work and hiredis."""

    name = "zset, one range, bare hiredis"

    async def execute(self, commands: Sequence[Command]) -> list[Any]:
        return await bare(self.client, commands)


def forget(place: str, moment: Moment) -> Command:
    return ("ZREMRANGEBYSCORE", place, "-inf", f"({moment.begins[-1] - LATENESS_S}")


def until(moment: Moment) -> str:
    """The end of the order's minute."""
    return f"({moment.second - moment.second % 60 + 60}"


def count(place: str, moment: Moment) -> tuple[Command, Command]:
    return ("ZADD", place, moment.second, member_of(moment)), ("EXPIRE", place, TTL_S)


def member_of(moment: Moment) -> str:
    return f"{moment.second}:{moment.event_id}:{moment.cents}"


def _amount(member: bytes) -> int:
    return int(member.rpartition(b":")[2])
