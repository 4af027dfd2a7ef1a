import threading

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from history.database import existing, make_engine, reading, upgrade
from history.errors import DatabaseUnusable
from history.tables import metadata, pages


def test_the_migrations_make_the_tables_that_the_code_uses(engine):
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": "alembic_version_history"})
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == "0004"


def test_upgrading_again_changes_nothing(engine):
    upgrade(engine)
    assert set(sa.inspect(engine).get_table_names()) == {
        "alembic_version_history", "history_decisions", "history_labels", "history_links", "history_pages",
        "history_verifications",
    }  # fmt: skip


def test_a_reading_connection_has_no_transaction_and_the_next_user_of_it_has_one(engine):
    def page(event_id):
        row = {"session": "s" * 22, "occurred_at_ms": 1, "event_id": event_id, "source_offset": 0, "route": "/"}
        return sa.insert(pages).values(row)

    counted = sa.select(sa.func.count()).select_from(pages)
    with reading(engine) as connection, reading(engine) as another:
        connection.execute(page("at once"))
        assert another.scalar(counted) == 1
    with engine.connect() as connection:
        connection.execute(page("rolled back"))
    with reading(engine) as connection:
        assert connection.scalar(counted) == 1


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_several_processes_may_upgrade_at_once(kind, tmp_path, request):
    url = f"sqlite:///{tmp_path}/amana.db" if kind == "sqlite" else request.getfixturevalue("database")
    engines, failed = [make_engine(url) for _ in range(4)], []

    def run(engine):
        try:
            upgrade(engine)
        except Exception as error:  # noqa: BLE001 - the test reports whatever a thread raised
            failed.append(error)
        finally:
            engine.dispose()

    threads = [threading.Thread(target=run, args=(engine,)) for engine in engines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_sqlite_keeps_every_commit_and_lets_readers_in(tmp_path):
    engine = make_engine(f"sqlite:///{tmp_path}/new/folder/amana.db")
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    engine.dispose()


def test_who_only_reads_makes_no_database(tmp_path):
    url = f"sqlite:///{tmp_path}/new/amana.db"
    with pytest.raises(DatabaseUnusable, match=r"/new/amana\.db: no such database"):
        existing(url)
    assert not (tmp_path / "new").exists()
    made = make_engine(url)
    upgrade(made)
    made.dispose()
    existing(url).dispose()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "oracle17://somewhere/db",
        "mysql://somewhere/db",
        "postgresql://user:secret@[::1/x",
        "postgresql://user:secret@host:port/x",
        "sqlite:///secret.db?timeout=q",
    ],
)
def test_an_address_that_is_none_is_refused_without_repeating_it(url):
    with pytest.raises(DatabaseUnusable) as caught:
        make_engine(url)
    assert str(caught.value) == "expected a database like sqlite:///var/amana.db or postgresql+psycopg://..."
    assert caught.value.__suppress_context__


def test_a_file_that_is_no_database_is_named(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("no database, but long enough that somebody could take it for one" * 20)
    engine = existing(f"sqlite:///{path}")
    with pytest.raises(DatabaseUnusable) as caught:
        engine.connect()
    assert str(caught.value) == f"{path}: file is not a database"


def test_a_database_that_is_not_whole_is_named_and_what_else_fails_is_not_changed(tmp_path):
    path = tmp_path / "amana.db"
    engine = make_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (x INTEGER PRIMARY KEY)")
        connection.exec_driver_sql("INSERT INTO t VALUES (1)")
    with pytest.raises(sa.exc.IntegrityError), engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO t VALUES (1)")
    with pytest.raises(sa.exc.OperationalError), engine.begin() as connection:
        connection.exec_driver_sql("SELECT * FROM nowhere")
    engine.dispose()
    data = path.read_bytes()
    path.write_bytes(data[:4096] + b"x" * (len(data) - 4096))
    with pytest.raises(DatabaseUnusable) as caught, engine.begin() as connection:
        connection.exec_driver_sql("SELECT * FROM t").all()
    assert str(caught.value) == f"{path}: database disk image is malformed"
    engine.dispose()


def test_a_server_that_is_not_there_is_named_without_its_password():
    engine = make_engine("postgresql+psycopg://user:secret@127.0.0.1:1/amana?connect_timeout=2")
    with pytest.raises(DatabaseUnusable, match=r"postgresql\+psycopg://user:\*\*\*@127\.0\.0\.1:1/amana") as caught:
        upgrade(engine)
    assert "secret" not in str(caught.value)
