import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext

from sharing.database import MIGRATIONS
from sharing.tables import metadata


def test_the_migrations_make_exactly_the_declared_tables(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        ours = {"include_name": lambda name, kind, _: kind != "table" or name in metadata.tables}
        assert compare_metadata(MigrationContext.configure(connection, opts=ours), metadata) == []


def test_a_group_that_somebody_had_left_is_marked_still_after_the_migration(engine: sa.Engine) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    groups = (
        "INSERT INTO sharing_groups (jti, head, payload, shrunk_at_ms) VALUES ('a', 'a', '', 5), ('b', 'b', '', NULL)"
    )
    with engine.begin() as connection:
        connection.execute(sa.text(groups))
        config.attributes["connection"] = connection
        command.downgrade(config, "0003")
        before = connection.execute(sa.text("SELECT jti FROM sharing_groups WHERE shrunk")).all()
        command.upgrade(config, "head")
        after = connection.execute(sa.text("SELECT jti, shrunk_at_ms FROM sharing_groups ORDER BY jti")).all()
    assert (before, after) == ([("a",)], [("a", 0), ("b", None)])
