"""Opens the database that the index and the cases share."""

from sqlalchemy import Engine

import history.database
import review.database
from streams.settings import Settings


def engine(settings: Settings) -> Engine:
    """The database, its tables brought up to date."""
    sql = history.database.make_engine(settings.database)
    history.database.upgrade(sql)
    review.database.upgrade(sql)
    return sql
