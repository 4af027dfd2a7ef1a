"""What rights the statements of an engine take, as PostgreSQL checks them: seen as they are sent."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from streams.roles import Role

_READ = re.compile(r"\b(?:FROM|JOIN) (review_\w+|sharing_\w+|history_\w+)")
_WRITTEN = re.compile(r"^(INSERT INTO|UPDATE|DELETE FROM) (\w+)(?: SET (.*?) WHERE)?", re.DOTALL)
_SET = re.compile(r"(\w+)=")

Rights = set[tuple[str, str]]  # the table and the privilege; a column is told after the table, for UPDATE


@contextmanager
def seen(engine: sa.Engine) -> Iterator[Rights]:
    """Fills a set with the rights that are used within the block."""
    rights: Rights = set()

    def see(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        rights.update(used(statement))

    sa.event.listen(engine, "before_cursor_execute", see)
    try:
        yield rights
    finally:
        sa.event.remove(engine, "before_cursor_execute", see)


def used(statement: str) -> Rights:
    """SELECT for what is read or looked for, INSERT, DELETE, and UPDATE for each column that is set."""
    found = _WRITTEN.match(statement)
    if found is None:
        return {(table, "SELECT") for table in _READ.findall(statement)}
    verb, table, assigned = found.groups()
    if verb == "UPDATE":
        return {(f"{table}.{column}", "UPDATE") for column in _SET.findall(assigned)} | {(table, "SELECT")}
    looked_at = "WHERE" in statement or "RETURNING" in statement
    return {(table, verb.partition(" ")[0])} | ({(table, "SELECT")} if looked_at else set())


def granted(role: Role) -> Rights:
    """The same of a role, columns told for UPDATE alone."""
    rights: Rights = set()
    for grant in role.grants:
        for privilege in grant.privileges:
            columns = grant.columns if privilege == "UPDATE" else ()
            rights |= {(f"{grant.table}.{column}", privilege) for column in columns} or {(grant.table, privilege)}
    return rights
