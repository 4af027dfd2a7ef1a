"""What rights the statements of an engine take, as PostgreSQL checks them: seen as they are sent."""

import re
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import sqlalchemy as sa

from streams.bootstrap.database import engine
from streams.roles import Role, grant
from streams.secrets import postgres_passwords
from streams.settings import Settings
from tests.harness import SecuredPostgres

_READ = re.compile(r"\b(?:FROM|JOIN) (review_\w+|sharing_\w+|history_\w+)")
_WRITTEN = re.compile(r"^(INSERT INTO|UPDATE|DELETE FROM) (\w+)(?: SET (.*?) WHERE)?", re.DOTALL)
_SET = re.compile(r"(\w+)=")

Rights = set[tuple[str, str]]  # the table and the privilege; a column is told after the table, for UPDATE


@contextmanager
def reached(role: str) -> Iterator[tuple[sa.Engine, sa.Engine]]:
    """Engines of a role and of the owner, on a server and a database of their own; every role has its rights."""
    with ExitStack() as stack:
        server = stack.enter_context(SecuredPostgres())
        url = server.create_database(f"test_{uuid.uuid4().hex}")
        owner = engine(Settings(database=url))
        stack.callback(owner.dispose)
        grant(owner, postgres_passwords(server.secrets))
        own = engine(Settings(database=server.reached_by(role, url)))
        stack.callback(own.dispose)
        yield own, owner


@contextmanager
def seen(watched: sa.Engine) -> Iterator[Rights]:
    """Fills a set with the rights that are used within the block."""
    rights: Rights = set()

    def see(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        rights.update(used(statement))

    sa.event.listen(watched, "before_cursor_execute", see)
    try:
        yield rights
    finally:
        sa.event.remove(watched, "before_cursor_execute", see)


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
    for given in role.grants:
        for privilege in given.privileges:
            columns = given.columns if privilege == "UPDATE" else ()
            rights |= {(f"{given.table}.{column}", privilege) for column in columns} or {(given.table, privilege)}
    return rights
