from concurrent.futures import ThreadPoolExecutor

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from history.database import make_engine
from history.database import upgrade as upgrade_history
from review.database import upgrade
from review.tables import metadata


def test_the_migrations_make_exactly_the_declared_tables(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        ours = {"include_name": lambda name, kind, _: kind != "table" or name in metadata.tables}
        assert compare_metadata(MigrationContext.configure(connection, opts=ours), metadata) == []


def test_upgrading_again_and_at_once_changes_nothing(engine: sa.Engine) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: upgrade(engine), range(4)))
    with engine.connect() as connection:
        assert connection.scalars(sa.text("SELECT version_num FROM alembic_version_review")).all() == ["0012"]


def test_first_upgrades_at_once_on_one_empty_postgresql_make_the_tables_once(database: str) -> None:
    engine = make_engine(database)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: upgrade(engine), range(4)))
    assert set(metadata.tables) <= set(sa.inspect(engine).get_table_names())
    engine.dispose()


def test_it_shares_a_database_with_history(engine: sa.Engine) -> None:
    upgrade_history(engine)
    upgrade(engine)
    assert {"alembic_version_history", "alembic_version_review"} <= set(sa.inspect(engine).get_table_names())
