"""Partners' streams, access tokens and notices about streams, in the database; part of their callers' transactions."""

from typing import Any

import msgspec
import sqlalchemy as sa

from sharing.delivery.allowances import insert_new
from sharing.delivery.streams import Kept, Stream
from sharing.tables import access, notices, streams

_encode = msgspec.json.encode
_decode = msgspec.json.Decoder(Kept).decode


def stream_of(connection: sa.Connection, partner: str) -> Stream | None:
    row = connection.execute(sa.select(streams).where(streams.c.partner == partner)).one_or_none()
    return None if row is None else _stream(row)


def add(connection: sa.Connection, stream: Stream) -> bool:
    """Whether the partner had none."""
    return insert_new(connection, streams, _row(stream))


def keep(connection: sa.Connection, stream: Stream) -> None:
    """A stream's id, and whose it is, never change."""
    changed = {name: value for name, value in _row(stream).items() if name not in {"stream_id", "partner"}}
    connection.execute(sa.update(streams).where(streams.c.stream_id == stream.stream_id).values(changed))


def remove(connection: sa.Connection, stream: Stream) -> None:
    connection.execute(sa.delete(streams).where(streams.c.stream_id == stream.stream_id))


def _row(stream: Stream) -> dict[str, Any]:
    row = msgspec.structs.asdict(stream)
    return row | {"configuration": _encode(row.pop("kept")).decode()}


def _stream(row: sa.Row[Any]) -> Stream:
    kept = _decode(row.configuration)
    return Stream(row.stream_id, row.partner, kept, row.status, row.reason, row.verified_at_ms)


def notify(connection: sa.Connection, stream: Stream, event_uri: str, event: dict[str, Any], now_ms: int) -> None:
    """Leave an event about a stream for who may sign and seal it (sharing/delivery/notices.py)."""
    row = {"partner": stream.partner, "stream_id": stream.stream_id, "event_uri": event_uri}
    connection.execute(sa.insert(notices).values(**row, payload=_encode(event), asked_at_ms=now_ms))


def grant(connection: sa.Connection, token_hash: bytes, partner: str, now_ms: int, expires_at_ms: int) -> None:
    """Keep a new access token, and forget those that have expired."""
    connection.execute(sa.delete(access).where(access.c.expires_at_ms <= now_ms))
    row = {"token_hash": token_hash, "partner": partner, "expires_at_ms": expires_at_ms}
    connection.execute(sa.insert(access).values(row))


def partner_of(connection: sa.Connection, token_hash: bytes, now_ms: int) -> str | None:
    """Whose access token it is, while it lives."""
    living = (access.c.token_hash == token_hash, access.c.expires_at_ms > now_ms)
    return connection.scalar(sa.select(access.c.partner).where(*living))
