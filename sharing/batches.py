"""Batches: what batch contracts tell, they tell of groups of at least k people, all values of a group equal.

A case waits until its values are those of k - 1 other people's. What has waited longer than the contract's patience is
generalised further, a rung of the ladder at a time: each rung leaves out one more field, the contract's last one first.
A group is one message; the groups of one hour leave in random order.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from sharing.contracts import Release

K = 20
HOUR_MS = 3_600_000
HOUR = 3  # of the day, UTC: whatever was confirmed when, it leaves then
PATIENCE_MS = 28 * 24 * 3_600_000
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_OURS = frozenset({"jti", "count"})

Shuffle = Callable[[list[Any]], None]  # random.SystemRandom().shuffle


class Waits(msgspec.Struct, frozen=True):
    """A case that waits; `person` is whom it is about, so that twenty orders of one person are no crowd."""

    jti: str
    case_id: str
    person: str
    payload: bytes
    since_ms: int


class Group(msgspec.Struct, frozen=True):
    """Cases whose `values` are equal, after `rung` fields were left out."""

    values: Mapping[str, Any]
    members: tuple[Waits, ...]
    rung: int

    @property
    def people(self) -> int:
        return people(self.members)


def released(
    waiting: Iterable[Waits],
    ladder: Sequence[str],
    now_ms: int,
    shuffle: Shuffle,
    *,
    k: int = K,
    patience_ms: int = PATIENCE_MS,
) -> tuple[Group, ...]:
    """The groups that may leave, each case in one at most; who is in none waits on.

    `ladder`: the fields that are left out in turn for those that have waited long. Equal values are released as widely
    as they come: no case is left behind alone because its like had gone without it.
    """
    left = sorted(waiting, key=lambda each: each.jti)
    groups: list[Group] = []
    for rung in range(len(ladder) + 1):
        patient = [each for each in left if rung == 0 or each.since_ms <= now_ms - patience_ms]
        whole = [group for group in alike(patient, ladder[:rung], rung) if group.people >= k]
        gone = {member.jti for group in whole for member in group.members}
        left = [each for each in left if each.jti not in gone]
        groups += whole
    shuffle(groups)
    return tuple(groups)


def alike(waiting: Iterable[Waits], left_out: Sequence[str], rung: int) -> list[Group]:
    """The cases by their values without those fields."""
    found: dict[bytes, tuple[Mapping[str, Any], list[Waits]]] = {}
    for each in waiting:
        values = values_of(each.payload, left_out)
        found.setdefault(likeness(values), (values, []))[1].append(each)
    return [Group(values, tuple(members), rung) for values, members in found.values()]


def values_of(payload: bytes, left_out: Sequence[str] = ()) -> Mapping[str, Any]:
    """A message's values without its id, its count and the fields that are left out."""
    values: dict[str, Any] = msgspec.json.decode(payload)
    return {name: value for name, value in values.items() if name not in _OURS and name not in left_out}


def likeness(values: Mapping[str, Any]) -> bytes:
    """Equal for equal values alone."""
    return msgspec.json.encode(values, order="deterministic")


def people(members: Iterable[Waits]) -> int:
    return len({member.person for member in members})


def ladder_of(fields: Sequence[str]) -> tuple[str, ...]:
    """The contract's fields from the last to the second: something is always told."""
    told = [name for name in fields if name not in _OURS]
    return tuple(reversed(told[1:]))


def is_hour(now_ms: int, release: Release | None = None) -> bool:
    """Whether a contract's batches leave now: on its day, in its hour (UTC)."""
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    if release is None:
        return now.hour == HOUR
    return now.hour == release.hour and release.day in (None, _DAYS[now.weekday()])


def began(now_ms: int) -> int:
    """When this hour did. What is told then is of what was there before it: what comes within the hour, and is told
    to others at once, is told of the group at the next release, so that their times do not join the two.
    """
    return now_ms - now_ms % HOUR_MS
