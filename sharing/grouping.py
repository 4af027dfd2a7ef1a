"""Batches' groups as messages: released, put right when a case leaves them, withdrawn when too few people are left."""

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa

from sharing import batches, waiting
from sharing.batches import Group, Shuffle
from sharing.errors import ProjectionError
from sharing.projector import Message, Projector, contract_hash
from sharing.projection import Projection
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

    def released(self, connection: sa.Connection, projection: Projection, now_ms: int) -> list[Message]:
        """Messages of the groups that may leave, their members taken out of those that wait; in random order."""
        contract = projection.contract
        hashed = contract_hash(contract)
        waiting_now = waiting.waits(connection, contract.partner, hashed)
        ladder = batches.ladder_of([term.name for term in contract.fields])
        found = batches.released(
            waiting_now, ladder, now_ms, self._shuffle, k=self._k, patience_ms=self._patience_ms
        )
        return [self._message(connection, projection, group, now_ms) for group in found]

    def follow_up(self, left: Left, now_ms: int) -> Message:
        """What is told when a case leaves a group: how many are left, or that the group is withdrawn."""
        projection = self._projector.projection(left.head.contract)
        sub_id = self._sub_id(left.group_jti)
        if projection is None or left.people < self._k:
            return self._projector.follow_up("withdrawal", left.head, None, now_ms, sub_id)
        content = counted(projection, left.payload, left.cases)
        return self._projector.follow_up("correction", left.head, None, now_ms, sub_id, content)

    def _message(self, connection: sa.Connection, projection: Projection, group: Group, now_ms: int) -> Message:
        contract = projection.contract
        hashed = contract_hash(contract)
        members = sorted(member.jti for member in group.members)
        jti = named(self._key, framed("group", contract.partner, hashed.hex(), *members))
        values = msgspec.json.encode({"jti": jti, **group.values})
        waiting.release(connection, jti, values, group)
        payload = counted(projection, values, len(group.members))
        return self._projector.disclosed(jti, contract.partner, hashed, None, self._sub_id(jti), payload, now_ms)

    def _sub_id(self, group_jti: str) -> str:
        return named(self._key, framed("group's sub_id", group_jti))
