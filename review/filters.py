"""Filters of the queue that people keep by name: links, which hold nothing of a person's."""

from typing import NamedTuple

import sqlalchemy as sa

from history.database import reading
from review import tables
from review.access.store import note

_HELD = tables.filters.c


class Kept(NamedTuple):
    name: str
    query: str


def kept(engine: sa.Engine, username: str) -> tuple[Kept, ...]:
    """A person's own, by name."""
    query = sa.select(_HELD.name, _HELD.query).where(_HELD.username == username).order_by(_HELD.name)
    with reading(engine) as connection:
        return tuple(Kept(*row) for row in connection.execute(query))


def keep(engine: sa.Engine, username: str, name: str, query: str, now_ms: int) -> None:
    """Under a name; what had that name before gives way."""
    with engine.begin() as connection:
        connection.execute(_named(username, name))
        row = {"username": username, "name": name, "query": query}
        connection.execute(sa.insert(tables.filters).values(row))
        note(connection, username, "filter.kept", now_ms, fields=("query",))


def forget(engine: sa.Engine, username: str, name: str, now_ms: int) -> None:
    """A name that is not there is forgotten already."""
    with engine.begin() as connection:
        if connection.execute(_named(username, name)).rowcount:
            note(connection, username, "filter.forgotten", now_ms)


def _named(username: str, name: str) -> sa.Delete:
    return sa.delete(tables.filters).where(_HELD.username == username, _HELD.name == name)
