"""Who may do what in PostgreSQL: the table from which grants and docs/security.md are made. The rest is refused.

A role is a process, or a person's task. The tables belong to whoever runs `amana migrate`, who needs no grants.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence

import msgspec
import sqlalchemy as sa

from history import tables as history
from review import tables as review
from sharing import tables as sharing
from streams.errors import BadRoles

# Where each room's migrations have come to: every process looks whether the tables are as it needs them.
VERSIONS = ("alembic_version_history", "alembic_version_review", "alembic_version_sharing")


class Grant(msgspec.Struct, frozen=True):
    """`columns`: these alone, for SELECT, INSERT and UPDATE; all where there are none."""

    table: str
    privileges: tuple[str, ...]
    columns: tuple[str, ...] = ()


class Role(msgspec.Struct, frozen=True):
    name: str
    what: str
    grants: tuple[Grant, ...]


def on(table: sa.Table, privileges: str) -> Grant:
    return Grant(table.name, tuple(privileges.split()))


def but(table: sa.Table, privilege: str, hidden: Collection[str]) -> Grant:
    """The privilege on all columns but these."""
    return Grant(table.name, (privilege,), tuple(column.name for column in table.c if column.name not in hidden))


def part(table: sa.Table, privilege: str, columns: str) -> Grant:
    assert set(columns.split()) <= {column.name for column in table.c}
    return Grant(table.name, (privilege,), tuple(columns.split()))


# Leaves are added and never changed: the size of the tree is all of the ledger that anybody may update.
_APPENDS = (
    on(sharing.head, "SELECT"),
    part(sharing.head, "UPDATE", "size"),
    on(sharing.leaves, "SELECT INSERT"),
    on(sharing.nodes, "SELECT INSERT"),
)

# How far a case's review has come.
_REVIEWED = (
    "status version verdict decided_at_ms decided_by reason holder until_ms due_at_ms escalated first_look"
    " resolved contested outcome assignee lead"
)

HISTORY = Role(
    "history",
    "`amana history serve`: the index",
    tuple(on(table, "SELECT INSERT UPDATE DELETE") for table in history.metadata.sorted_tables),
)
TRAINING = Role(
    "training",
    "`amana train`, `history export`, `whatif`: read the index",
    tuple(on(table, "SELECT") for table in history.metadata.sorted_tables),
)
OPENER = Role(
    "opener",
    "`amana opener`: makes cases, joins related ones, sees a session's pages and where verifications stand",
    (
        on(history.pages, "SELECT"),
        on(history.verifications, "SELECT"),
        on(review.cases, "SELECT INSERT"),
        part(review.cases, "UPDATE", "status version priority due_at_ms lead"),
        part(review.opinions, "SELECT", "case_id state"),  # nothing is joined to what is back for a second opinion
        part(review.audit, "SELECT", "place"),
        on(review.audit, "INSERT"),
        on(review.subject_keys, "SELECT INSERT"),
        on(review.triggers, "SELECT INSERT"),
    ),
)
PROJECTOR = Role(
    "projector",
    "`amana projector`: reads cases, writes ledger and outbox",
    (
        on(review.cases, "SELECT"),
        on(review.subject_keys, "SELECT"),
        on(review.triggers, "SELECT DELETE"),
        part(review.triggers, "UPDATE", "failed"),
        on(review.outbox, "SELECT INSERT DELETE"),
        *_APPENDS,
        on(sharing.lookup, "SELECT INSERT DELETE"),
        on(sharing.disclosures, "SELECT INSERT"),
        part(sharing.disclosures, "UPDATE", "case_id state changed_at_ms"),
        # It takes back what is superseded before it was sent.
        part(sharing.outbox, "SELECT", "place jti partner attempts next_at_ms"),
        on(sharing.outbox, "INSERT DELETE"),
        on(sharing.waiting, "SELECT INSERT UPDATE DELETE"),
        on(sharing.groups, "SELECT INSERT"),
        part(sharing.groups, "UPDATE", "head shrunk_at_ms"),
        on(sharing.rotations, "SELECT INSERT"),
        on(sharing.members, "SELECT INSERT DELETE"),
        on(sharing.reports, "SELECT UPDATE DELETE"),
        on(sharing.notices, "SELECT UPDATE DELETE"),
        on(sharing.requests, "SELECT"),
        on(sharing.request_steps, "SELECT"),
    ),
)
DELIVERER = Role(
    "deliverer",
    "`amana deliverer` and `partner-api`: sealed bytes and what partners answer; no case, no salt",
    (
        *_APPENDS,
        on(sharing.checkpoints, "SELECT INSERT"),
        but(sharing.disclosures, "SELECT", {"case_id"}),
        part(sharing.disclosures, "UPDATE", "state changed_at_ms due_at_ms answered_at_ms"),
        on(sharing.outbox, "SELECT DELETE"),
        part(sharing.outbox, "UPDATE", "attempts next_at_ms dead"),
        # What is used up, and not the limits: those are set by a person.
        on(sharing.allowances, "SELECT INSERT"),
        part(sharing.allowances, "UPDATE", "next_us day sent_today"),
        on(sharing.pauses, "SELECT"),
        on(sharing.seen, "SELECT INSERT DELETE"),
        on(sharing.access, "SELECT INSERT DELETE"),
        on(sharing.refused_answers, "SELECT INSERT DELETE"),
        on(sharing.streams, "SELECT INSERT DELETE"),
        part(sharing.streams, "UPDATE", "configuration status reason verified_at_ms"),
        on(sharing.notices, "INSERT"),
        part(sharing.notices, "SELECT", "place"),
        on(sharing.reports, "INSERT"),
        part(sharing.reports, "SELECT", "place"),
    ),
)
DISPATCHER = Role(
    "dispatcher",
    "`amana delivery`: pauses, limits and dead letters",
    (
        but(sharing.disclosures, "SELECT", {"case_id"}),
        part(sharing.disclosures, "UPDATE", "state changed_at_ms due_at_ms answered_at_ms"),
        but(sharing.outbox, "SELECT", {"sealed"}),
        part(sharing.outbox, "UPDATE", "attempts next_at_ms dead made_at_ms"),
        on(sharing.allowances, "SELECT INSERT"),
        part(sharing.allowances, "UPDATE", "per_minute per_day"),
        on(sharing.pauses, "SELECT INSERT DELETE"),
        on(sharing.refused_answers, "SELECT"),
        # A stream's receiver is told when it is paused.
        on(sharing.streams, "SELECT"),
        on(sharing.notices, "INSERT"),
        part(sharing.notices, "SELECT", "place"),
    ),
)
CONSOLE = Role(
    "console",
    "`amana console` and `cases`: the queue, and analysts' verdicts",
    (
        # What a case was opened with, the console cannot change: only how far its review has come.
        on(review.cases, "SELECT"),
        part(review.cases, "UPDATE", _REVIEWED),
        # Who writes about a subject that was erased gives it a new key; none that is there can be changed.
        on(review.subject_keys, "SELECT INSERT"),
        on(review.notes, "SELECT INSERT"),
        on(review.outbox, "SELECT INSERT DELETE"),
        part(review.triggers, "SELECT", "place decision_id not_before_ms"),
        on(review.triggers, "INSERT DELETE"),
        on(review.audit, "SELECT INSERT"),
        # It lets people in, and can give nobody a password. Whom an identity provider names, it gives an account.
        on(review.accounts, "SELECT"),
        part(review.accounts, "INSERT", "username roles language failures locked_until_ms disabled"),
        part(review.accounts, "UPDATE", "failures locked_until_ms language roles"),
        on(review.identities, "SELECT INSERT"),
        on(review.spent, "SELECT INSERT DELETE"),
        on(review.sessions, "SELECT INSERT DELETE"),
        part(review.sessions, "UPDATE", "used_ms ends_ms"),
        on(review.tokens, "SELECT"),
        on(review.filters, "SELECT INSERT DELETE"),
        # A first verdict that came back blind is kept as it was.
        on(review.opinions, "SELECT INSERT DELETE"),
        part(review.opinions, "UPDATE", "state from_ms second second_by second_at_ms"),
        on(review.tags, "SELECT INSERT DELETE"),
        on(review.questions, "SELECT INSERT DELETE"),
        part(review.questions, "UPDATE", "answer answered_at_ms"),
        # What stands beside a case: its entities' history, and what partners got. No leaf says whose it is, and what
        # opens one (lookup) stays shut.
        *(on(table, "SELECT") for table in (history.decisions, history.labels, history.links)),
        *(on(table, "SELECT") for table in (sharing.disclosures, sharing.head, sharing.leaves)),
        *(on(table, "SELECT") for table in (sharing.nodes, sharing.checkpoints, sharing.pauses)),
        # How deliveries are; what they carry stays shut.
        part(sharing.outbox, "SELECT", "partner dead"),
    ),
)
ACCOUNTS = Role(
    "accounts",
    "`amana accounts`: people's accounts and programs' tokens; no case",
    (
        on(review.accounts, "SELECT INSERT"),
        part(review.accounts, "UPDATE", "password failures locked_until_ms disabled"),
        part(review.sessions, "SELECT", "username"),
        on(review.sessions, "DELETE"),
        part(review.tokens, "SELECT", "username name"),
        on(review.tokens, "INSERT DELETE"),
        part(review.audit, "SELECT", "place"),
        on(review.audit, "INSERT"),
    ),
)
PRIVACY = Role(
    "privacy",
    "`amana requests`, `ledger receipt`, `cases erase` and the console's pages for it: privacy officers alone",
    (
        *_APPENDS,
        on(sharing.lookup, "SELECT INSERT"),
        on(sharing.checkpoints, "SELECT"),
        on(sharing.disclosures, "SELECT"),
        on(sharing.requests, "SELECT INSERT"),
        part(sharing.requests, "UPDATE", "state"),
        on(sharing.request_steps, "SELECT INSERT"),
        on(review.triggers, "INSERT"),
        part(review.triggers, "SELECT", "place decision_id kind"),
        part(review.cases, "SELECT", "decision_id order_id subject"),
        # To erase a subject: its key and notes go, and what its cases hold of it.
        part(review.cases, "UPDATE", "envelope withheld reason email_index phone_index card device last4"),
        part(review.opinions, "SELECT", "case_id"),
        part(review.opinions, "UPDATE", "reason"),
        part(review.subject_keys, "SELECT", "subject"),
        on(review.subject_keys, "DELETE"),
        part(review.notes, "SELECT", "case_id"),
        on(review.notes, "DELETE"),
        part(review.audit, "SELECT", "place"),
        on(review.audit, "INSERT"),
    ),
)
AUDITOR = Role(
    "auditor",
    "`amana ledger verify` and `export`: the tree, without what opens it",
    tuple(on(table, "SELECT") for table in (sharing.head, sharing.leaves, sharing.nodes, sharing.checkpoints)),
)

ROLES: tuple[Role, ...] = (
    HISTORY,
    TRAINING,
    OPENER,
    PROJECTOR,
    DELIVERER,
    DISPATCHER,
    CONSOLE,
    ACCOUNTS,
    PRIVACY,
    AUDITOR,
)


def statements(roles: Sequence[Role] = ROLES) -> Iterator[str]:
    """SQL that gives roles that exist what the table says and nothing beside it; for one transaction."""
    yield "REVOKE ALL ON SCHEMA public FROM PUBLIC"
    yield "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC"
    # PostgreSQL lets everybody make temporary tables: room for what was read, which no grant here speaks of.
    revoke = "'REVOKE TEMPORARY ON DATABASE ' || quote_ident(current_database()) || ' FROM PUBLIC'"
    yield f"DO $$ BEGIN EXECUTE {revoke}; END $$"
    for role in roles:
        yield f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role.name}"
        yield f"REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM {role.name}"
        yield f"GRANT USAGE ON SCHEMA public TO {role.name}"
        for grant in role.grants:
            columns = f" ({', '.join(grant.columns)})" if grant.columns else ""
            privileges = ", ".join(privilege + columns for privilege in grant.privileges)
            yield f"GRANT {privileges} ON {grant.table} TO {role.name}"
            if "INSERT" in grant.privileges and grant.table in _NUMBERED:
                yield f"GRANT USAGE ON SEQUENCE {grant.table}_{_NUMBERED[grant.table]}_seq TO {role.name}"
        for version in VERSIONS:
            yield f"GRANT SELECT ON {version} TO {role.name}"


def _numbered() -> dict[str, str]:
    """Tables whose rows the database numbers, and the column."""
    found: dict[str, str] = {}
    for room in (history.metadata, review.metadata, sharing.metadata):
        for table in room.sorted_tables:
            column = table.autoincrement_column
            if column is not None and column.autoincrement is True:
                found[table.name] = column.name
    return found


_NUMBERED = _numbered()


def grant(engine: sa.Engine, passwords: Mapping[str, str], roles: Sequence[Role] = ROLES) -> list[str]:
    """Make the roles that are missing, set these passwords, and grant; by the tables' owner. Gives the new roles.

    A password is hashed here: the server and its log see no more than the hash. Raises BadRoles for a database that is
    not PostgreSQL's or has not all tables.
    """
    if engine.dialect.name != "postgresql":
        raise BadRoles("SQLite knows no roles: expected the address of a PostgreSQL database")
    with engine.begin() as connection:
        _check(connection, roles)
        known = set(connection.scalars(sa.text("SELECT rolname FROM pg_roles")))
        new = [role.name for role in roles if role.name not in known]
        for name in new:
            connection.exec_driver_sql(f"CREATE ROLE {name} LOGIN NOINHERIT")
        for role in roles:
            if role.name in passwords:
                connection.exec_driver_sql(_password(connection, role.name, passwords[role.name]))
        for statement in statements(roles):
            connection.exec_driver_sql(statement)
    return new


def _check(connection: sa.Connection, roles: Sequence[Role]) -> None:
    there = set(sa.inspect(connection).get_table_names())
    wanted = {grant.table for role in roles for grant in role.grants} | set(VERSIONS)
    if missing := sorted(wanted - there):
        raise BadRoles(f"no table {', '.join(missing)}: `amana migrate` makes them")


def _password(connection: sa.Connection, name: str, password: str) -> str:
    driver = connection.connection.driver_connection
    assert driver is not None
    hashed = driver.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256").decode()
    assert "'" not in hashed
    return f"ALTER ROLE {name} PASSWORD '{hashed}'"
