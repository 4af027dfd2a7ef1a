"""What can go wrong in history.

AmanaError
 └─ HistoryError
     ├─ DatabaseUnusable   a database that can't be reached or opened
     ├─ BadVector          a logged vector of another width than its definitions'
     ├─ ForeignFile        a file that is no training table of these definitions
     └─ Unwritable         a file that cannot be written where it should be
"""

from events.errors import AmanaError


class HistoryError(AmanaError):
    """Root of this room's errors."""


class DatabaseUnusable(HistoryError):
    """A database that can't be reached or opened."""


class BadVector(HistoryError):
    """A logged vector of another width than its definitions'."""


class ForeignFile(HistoryError):
    """A file that is no training table of these definitions."""


class Unwritable(HistoryError):
    """A file that cannot be written where it should be."""
