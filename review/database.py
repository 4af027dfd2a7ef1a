"""Brings the case database's schema up to date; engines come from `history.database`, whose database it shares."""

from pathlib import Path

import sqlalchemy as sa

from history.database import migrate

_MIGRATIONS = Path(__file__).with_name("migrations")
_LOCK = 0x7265766965  # any number that is the same for every process that migrates these tables


def upgrade(engine: sa.Engine) -> None:
    """Make or migrate the tables; safe to run from several processes at once, and again."""
    migrate(engine, _MIGRATIONS, _LOCK)
