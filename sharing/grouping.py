"""Batches' groups as messages: released, put right when a case leaves them, withdrawn when too few people are left."""

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa

from sharing import batches, waiting
from sharing.batches import Group, Shuffle
from sharing.errors import ProjectionError
from sharing.projection import Projection
from sharing.projector import Message, Moment, Projector, contract_hash
from sharing.waiting import Left
from vault.chain import framed, named


class Grouping:
    """`projections` are of batch contracts; `key` is the vault's "disclosure" key."""

    def __init__(
        self,
        projections: Sequence[Projection],
        projector: Projector,
        key: bytes,
        shuffle: Shuffle,
        *,
        k: int = batches.K,
        patience_ms: int = batches.PATIENCE_MS,
    ) -> None:
        self.projections = projections
        self._projector = projector
        self._key = key
        self._shuffle = shuffle
        self._k = k
        self._patience_ms = patience_ms

    def released(
        self, connection: sa.Connection, projection: Projection, now_ms: int, *, early: bool = False
    ) -> list[Message]:
        """Messages of the groups that may leave, their members taken out of those that wait; in random order.

        Of those who waited before this hour began; `early`, of all, and without patience.
        """
        contract = projection.contract
        hashed = contract_hash(contract)
        before_ms = now_ms + 1 if early else batches.began(now_ms)
        waiting_now = waiting.waits(connection, contract.partner, hashed, before_ms)
        ladder = batches.ladder_of([term.name for term in contract.fields])
        patience = 0 if early else self._patience_ms
        least = self._k_of(projection)
        found = batches.released(waiting_now, ladder, now_ms, self._shuffle, k=least, patience_ms=patience)
        return [self._message(connection, projection, group, now_ms, before_ms) for group in found]

    def is_hour(self, left: Left, now_ms: int) -> bool:
        """Whether a group's partner hears now of who left it: when its batches leave, so that nothing else of that
        person's, told to another at once, can be joined with it by its time. Who left within the hour is for the next.
        """
        contract = self._projector.contract_of(left.head)
        return left.at_ms < batches.began(now_ms) and batches.is_hour(now_ms, contract.release if contract else None)

    def follow_up(self, left: Left, now_ms: int) -> Message:
        """What is told when a case leaves a group: how many are left, or that the group is withdrawn.

        Raises SharingError.
        """
        sub_id, at = self._sub_id(left.group_jti), Moment(now_ms)
        payload = self._counted_anew(left)
        if payload is None:
            return self._projector.taken_back("withdrawal", left.head, None, sub_id, at)
        return self._projector.corrected(left.head, None, sub_id, payload, at)

    def _counted_anew(self, left: Left) -> bytes | None:
        """The group with how many are left, by the contract's version that holds; None where that would not tell it."""
        projection = self._projector.projection(left.head.contract)
        if projection is None or projection.contract.release is None or left.people < self._k_of(projection):
            return None
        jti = named(self._key, framed("group", "correction", left.head.jti))
        payload = _with(left.payload, {"jti": jti, "supersedes": left.head.jti})
        try:
            return projection.counted(payload, left.cases)
        except ProjectionError:
            return None

    def _message(
        self, connection: sa.Connection, projection: Projection, group: Group, now_ms: int, before_ms: int
    ) -> Message:
        hashed, partner = contract_hash(projection.contract), projection.partner
        members = sorted(member.jti for member in group.members)
        # Who has all left a group may come back: the release's time tells the new group's message from the old one's.
        jti = named(self._key, framed("group", partner, hashed.hex(), str(before_ms), *members))
        values = msgspec.json.encode(group.values)
        payload = projection.counted(_with(values, {"jti": jti}), len(group.members))
        waiting.release(connection, jti, values, group)
        return self._projector.disclosed(partner, hashed, None, self._sub_id(jti), payload, Moment(now_ms))

    def _k_of(self, projection: Projection) -> int:
        release = projection.contract.release
        return max(self._k, release.group_of) if release else self._k

    def _sub_id(self, group_jti: str) -> str:
        return named(self._key, framed("group's sub_id", group_jti))


def _with(values: bytes, more: dict[str, str]) -> bytes:
    return msgspec.json.encode(more | msgspec.json.decode(values))
