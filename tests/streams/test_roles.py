"""What each role may do on a real PostgreSQL server over TLS, and that it is refused all else."""

import uuid
from collections.abc import Iterator

import psycopg
import pytest
import sqlalchemy as sa

import history.tables
import review.tables
import sharing.tables
from history.errors import DatabaseUnusable
from streams.bootstrap.database import engine
from streams.errors import BadRoles
from streams.roles import ROLES, grant
from streams.secrets import OWNER, postgres_passwords
from streams.settings import Settings
from tests.harness import SecuredPostgres

METADATA = (history.tables.metadata, review.tables.metadata, sharing.tables.metadata)
TABLES = {table.name for metadata in METADATA for table in metadata.sorted_tables}
ROOMS = {"history", "review", "sharing"}
ACTIONS = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE")


@pytest.fixture(scope="module")
def server() -> Iterator[SecuredPostgres]:
    with SecuredPostgres() as running:
        yield running


@pytest.fixture(scope="module")
def database(server: SecuredPostgres) -> str:
    """With all tables and roles; as its owner reaches it."""
    url = server.create_database(f"test_{uuid.uuid4().hex}")
    sql = engine(Settings(database=url))
    grant(sql, postgres_passwords(server.secrets))
    sql.dispose()
    return url


def as_role(server: SecuredPostgres, role: str, database: str) -> psycopg.Connection:
    return psycopg.connect(server.reached_by(role, database).replace("+psycopg", ""), autocommit=True)


def allowed(connection: psycopg.Connection, statement: str) -> bool:
    try:
        connection.execute(statement)
    except psycopg.errors.InsufficientPrivilege:
        return False
    return True


def read_by(server: SecuredPostgres, role: str, database: str) -> set[str]:
    """The tables of which it can read a row whole."""
    with as_role(server, role, database) as connection:
        return {table for table in TABLES if allowed(connection, f"SELECT * FROM {table} LIMIT 0")}


def changed_by(server: SecuredPostgres, role: str, database: str, action: str) -> set[str]:
    """The tables on which it has the right on every column, as the server itself sees it."""
    with as_role(server, role, database) as connection:
        rights = {
            table: connection.execute("SELECT has_table_privilege(%s, %s)", (table, action)).fetchone()
            for table in TABLES
        }
    return {table for table, found in rights.items() if found == (True,)}


def rooms_of(tables: set[str]) -> set[str]:
    return {table.partition("_")[0] for table in tables}


@pytest.mark.parametrize(
    ("role", "rooms"),
    [
        ("history", {"history"}),
        ("training", {"history"}),
        ("opener", {"history", "review"}),
        ("projector", {"review", "sharing"}),
        ("deliverer", {"sharing"}),
        ("dispatcher", {"sharing"}),
        ("auditor", {"sharing"}),
    ],
)
def test_a_role_reads_nothing_of_another_room(
    server: SecuredPostgres, database: str, role: str, rooms: set[str]
) -> None:
    assert rooms_of(read_by(server, role, database)) == rooms


def test_the_deliverer_cannot_read_a_case_or_what_opens_the_ledger(server: SecuredPostgres, database: str) -> None:
    hidden = {"review_cases", "review_subject_keys", "review_triggers", "sharing_lookup", "sharing_waiting"}
    hidden |= {"sharing_requests", "sharing_members", "sharing_groups", "sharing_reports", "sharing_disclosures"}
    assert not read_by(server, "deliverer", database) & hidden
    with as_role(server, "deliverer", database) as connection:
        assert allowed(connection, "SELECT jti, partner, state FROM sharing_disclosures")
        assert not allowed(connection, "SELECT case_id FROM sharing_disclosures")
        assert not allowed(connection, "SELECT decision_id FROM review_cases")
        assert not allowed(connection, "INSERT INTO sharing_outbox (jti) VALUES ('x')")
        assert not allowed(connection, "UPDATE sharing_outbox SET sealed = 'x'")


def test_the_projector_cannot_see_or_change_what_waits_to_be_sent(server: SecuredPostgres, database: str) -> None:
    with as_role(server, "projector", database) as connection:
        assert not allowed(connection, "SELECT sealed FROM sharing_outbox")
        assert not allowed(connection, "UPDATE sharing_outbox SET sealed = 'x'")
        assert not allowed(connection, "UPDATE review_cases SET status = 'closed'")
        assert allowed(connection, "SELECT envelope FROM review_cases")


def test_the_opener_and_the_index_know_nothing_of_partners(server: SecuredPostgres, database: str) -> None:
    for role in ("opener", "history"):
        seen = read_by(server, role, database)
        assert "sharing" not in rooms_of(seen)
    assert read_by(server, "opener", database) == {
        "history_pages",
        "history_verifications",
        "review_cases",
        "review_subject_keys",
        "review_triggers",
    }


def test_nobody_changes_the_ledger_or_takes_from_it(server: SecuredPostgres, database: str) -> None:
    kept = {"sharing_leaves", "sharing_nodes", "sharing_checkpoints", "review_audit"}
    for role in ROLES:
        for action in ("UPDATE", "DELETE", "TRUNCATE"):
            assert not changed_by(server, role.name, database, action) & kept, (role.name, action)


def test_no_role_makes_a_table_not_even_one_that_goes_with_its_session(server: SecuredPostgres, database: str) -> None:
    for role in ROLES:
        with as_role(server, role.name, database) as connection:
            assert not allowed(connection, "CREATE TEMPORARY TABLE kept_aside (value text)"), role.name
            assert not allowed(connection, "CREATE TABLE kept_aside (value text)"), role.name


def test_requests_of_the_law_are_privacy_officers_and_the_projectors_alone(
    server: SecuredPostgres, database: str
) -> None:
    readers = {role.name for role in ROLES if "sharing_requests" in read_by(server, role.name, database)}
    assert readers == {"privacy", "projector"}


def test_no_role_makes_drops_or_owns_anything(server: SecuredPostgres, database: str) -> None:
    for role in ROLES:
        with as_role(server, role.name, database) as connection:
            assert not allowed(connection, "CREATE TABLE own (id int)"), role.name
            assert not allowed(connection, "DROP TABLE sharing_leaves"), role.name
            assert not allowed(connection, "CREATE ROLE another"), role.name
            assert not allowed(connection, f"SET ROLE {OWNER}"), role.name


def test_a_second_time_changes_nothing_and_a_right_that_was_added_by_hand_is_gone(
    server: SecuredPostgres, database: str
) -> None:
    with as_role(server, OWNER, database) as connection:
        connection.execute("GRANT SELECT ON review_cases TO deliverer")
        connection.execute("GRANT SELECT (case_id) ON sharing_disclosures TO deliverer")
    sql = sa.create_engine(database)
    assert grant(sql, {}) == []
    sql.dispose()
    with as_role(server, "deliverer", database) as connection:
        assert not allowed(connection, "SELECT decision_id FROM review_cases")
        assert not allowed(connection, "SELECT case_id FROM sharing_disclosures")


@pytest.mark.parametrize("role", [role.name for role in ROLES])
def test_a_process_starts_under_its_role_on_tables_that_are_up_to_date(
    server: SecuredPostgres, database: str, role: str
) -> None:
    engine(Settings(database=server.reached_by(role, database))).dispose()


def test_on_tables_that_are_not_it_is_told_who_brings_them_there(server: SecuredPostgres, database: str) -> None:
    empty = server.create_database(f"test_{uuid.uuid4().hex}")
    with pytest.raises(DatabaseUnusable, match="run `amana migrate` as their owner"):
        engine(Settings(database=server.reached_by("history", empty)))


def test_tables_that_are_missing_are_named_before_anything_is_granted(server: SecuredPostgres) -> None:
    sql = sa.create_engine(server.create_database(f"test_{uuid.uuid4().hex}"))
    with pytest.raises(BadRoles, match=r"no table alembic_version_history, .*: `amana migrate` makes them"):
        grant(sql, {})
    sql.dispose()


def test_sqlite_knows_no_roles() -> None:
    with pytest.raises(BadRoles, match="expected the address of a PostgreSQL database"):
        grant(sa.create_engine("sqlite://"), {})


class TestDoors:
    def refused(self, url: str) -> str:
        with pytest.raises(psycopg.OperationalError) as refused:
            psycopg.connect(url.replace("+psycopg", ""), connect_timeout=5).close()
        return str(refused.value)

    def test_plaintext_is_refused(self, server: SecuredPostgres, database: str) -> None:
        url = server.reached_by("projector", database).replace("sslmode=verify-full", "sslmode=disable")
        assert "no encryption" in self.refused(url)

    def test_a_wrong_password_and_anothers_are_refused(self, server: SecuredPostgres, database: str) -> None:
        url = server.reached_by("projector", database)
        assert "authentication failed" in self.refused(url.replace("projector@", "projector:guessed@"))
        assert "no password supplied" in self.refused(url.replace("projector@", "deliverer@"))

    def test_a_server_that_the_authority_does_not_vouch_for_is_told_nothing(
        self, server: SecuredPostgres, database: str
    ) -> None:
        url = server.reached_by("projector", database)
        authority = str(server.secrets / "projector" / "ca.pem")
        assert "certificate verify failed" in self.refused(url.replace(authority, "system"))

    def test_a_server_under_another_name_is_told_nothing(self, server: SecuredPostgres, database: str) -> None:
        url = server.reached_by("projector", database).replace("127.0.0.1", "elsewhere.example")
        assert "does not match host name" in self.refused(f"{url}&hostaddr=127.0.0.1")
