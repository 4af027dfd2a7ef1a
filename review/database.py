"""Brings the case database's schema up to date; engines come from `history.database`, whose database it shares."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

_MIGRATIONS = Path(__file__).with_name("migrations")
_LOCK = 0x7265766965  # any number that is the same for every process that migrates these tables


def upgrade(engine: sa.Engine) -> None:
    """Make or migrate the tables; safe to run from several processes at once, and again."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()
