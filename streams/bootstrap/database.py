"""Opens the database that the index, the cases and sharing share."""

from sqlalchemy import Engine
from sqlalchemy.exc import ProgrammingError

import history.database
import review.database
import sharing.database
from history.errors import DatabaseUnusable
from streams.settings import Settings


def engine(settings: Settings) -> Engine:
    """The database, its tables brought up to date.

    Raises DatabaseUnusable where they are not and whoever logs in may not change them (streams/roles.py).
    """
    sql = history.database.make_engine(settings.database)
    try:
        _upgrade(sql)
    except ProgrammingError as error:
        sql.dispose()
        if type(error.orig).__name__ != "InsufficientPrivilege":
            raise
        raise DatabaseUnusable(
            "the tables are not up to date, and this role may not change them: run `amana migrate` as their owner, "
            "then `amana roles grant`"
        ) from None
    return sql


def _upgrade(sql: Engine) -> None:
    history.database.upgrade(sql)
    review.database.upgrade(sql)
    history.database.migrate(sql, sharing.database.MIGRATIONS, sharing.database.LOCK)
