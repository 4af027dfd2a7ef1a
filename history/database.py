"""Opens the database and brings the index's schema up to date."""

import sqlite3
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from history.errors import DatabaseUnusable

_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 0x616D616E61  # any number that is the same for every process that migrates this database


def make_engine(url: str, *, make_folder: bool = True) -> sa.Engine:
    """An engine for SQLite (WAL, every commit durable, the file's folder made) or PostgreSQL.

    Raises DatabaseUnusable for an address that is none or whose driver is missing; never with the address, which may
    hold a password.
    """
    try:
        engine = sa.create_engine(url, pool_pre_ping=True, hide_parameters=True)
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ModuleNotFoundError, ValueError):
        raise DatabaseUnusable("expected a database like sqlite:///var/amana.db or postgresql+psycopg://...") from None
    if engine.dialect.name == "sqlite":
        if make_folder and engine.url.database not in (None, "", ":memory:"):
            Path(str(engine.url.database)).parent.mkdir(parents=True, exist_ok=True)
        sa.event.listen(engine, "connect", _prepare_sqlite)
        sa.event.listen(engine, "handle_error", _name_the_file)
    return engine


def reading(engine: sa.Engine) -> sa.Connection:
    """A connection for statements that only read: each is a transaction of its own, so that none is begun or ended.

    That is half of the round trips to a database server.
    """
    return engine.connect().execution_options(isolation_level="AUTOCOMMIT")


def existing(url: str) -> sa.Engine:
    """An engine as `make_engine`'s, of a database that is there: a file of SQLite is not made by who only reads it.

    Raises DatabaseUnusable.
    """
    engine = make_engine(url, make_folder=False)
    file = engine.url.database
    if engine.dialect.name == "sqlite" and file not in (None, "", ":memory:") and not Path(str(file)).is_file():
        raise DatabaseUnusable(f"{file}: no such database")
    return engine


def upgrade(engine: sa.Engine) -> None:
    """Makes or migrates the index's tables; safe to run from several processes at once, and again.

    Raises DatabaseUnusable when the database can't be reached; the message has no credentials.
    """
    try:
        migrate(engine, _MIGRATIONS, _LOCK)
    except sa.exc.OperationalError as error:
        raise DatabaseUnusable(f"{engine.url.render_as_string()}: {type(error.orig).__name__}") from None


def migrate(engine: sa.Engine, migrations: Path, lock: int) -> None:
    """Runs a folder of Alembic migrations up to its head; those with the same lock run one after another."""
    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(lock)))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=10000", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _name_the_file(failed: sa.engine.ExceptionContext) -> None:
    """A file that is no database, or not whole: SQLite says so without its name. Its words quote no value."""
    if type(failed.original_exception) is sqlite3.DatabaseError and failed.engine is not None:
        raise DatabaseUnusable(f"{failed.engine.url.database}: {failed.original_exception}") from None
