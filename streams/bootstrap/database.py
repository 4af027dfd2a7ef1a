"""Opens the database that the index, the cases and sharing share."""

from sqlalchemy import Engine

import history.database
import review.database
import sharing.database
from streams.settings import Settings


def engine(settings: Settings) -> Engine:
    """The database, its tables brought up to date."""
    sql = history.database.make_engine(settings.database)
    history.database.upgrade(sql)
    review.database.upgrade(sql)
    history.database.migrate(sql, sharing.database.MIGRATIONS, sharing.database.LOCK)
    return sql
