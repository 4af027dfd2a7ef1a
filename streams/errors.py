"""What stops a stage on purpose.

AmanaError
└── Stopped            a state that a person must look at; the message says what, where and what was expected
    ├── Recreated      a topic is not the one that the stored state belongs to
    ├── AheadOfLog     a fence beyond the log's end: the log lost records, or the store is another cluster's
    ├── Unrebuildable  the log begins after what the store would need
    └── Stalled        records to read, nothing known to be down, and no progress
"""

from events.errors import AmanaError


class Stopped(AmanaError):
    """A state that a person must look at."""


class Recreated(Stopped):
    """A topic is not the one that the stored state belongs to."""


class AheadOfLog(Stopped):
    """A fence beyond the log's end."""


class Unrebuildable(Stopped):
    """The log begins after what the store would need."""


class Stalled(Stopped):
    """Records to read, nothing known to be down, and no progress."""
