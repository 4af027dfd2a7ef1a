"""What stops a stage on purpose.

AmanaError
├── Unreadable         a record to be replayed that is not what its log should hold
├── NothingToReplay    a range or a log without anything to do
├── NotKnown           an order or an entity that nothing is known of
├── BadRoles           a database that roles can't be granted on
├── BadTable           a table, its labels or its mapping that cannot be used as they are
├── Unusable           a value to look up that intake would not take
├── Unmigratable       feature stores, or a model, that a migration can't be made with
└── Stopped            a state that a person must look at; the message says what, where and what was expected
    ├── Recreated      a topic is not the one that the stored state belongs to
    ├── AheadOfLog     a fence beyond the log's end: the log lost records, or the store is another cluster's
    ├── Unservable     a host and port that metrics cannot be served at
    ├── Replaced       another process has this worker's place in its group
    ├── Unrebuildable  the log begins after what the store would need
    └── Stalled        records to read, nothing known to be down, and no progress
"""

from events.errors import AmanaError


class Unreadable(AmanaError):
    """A record to be replayed that is not what its log should hold; the message says which."""


class NothingToReplay(AmanaError):
    """A range or a log without anything to do."""


class NotKnown(AmanaError):
    """An order or an entity that nothing is known of."""


class Unusable(AmanaError):
    """A value to look up that intake would not take; the message does not hold it."""


class BadRoles(AmanaError):
    """A database that roles can't be granted on."""


class BadTable(AmanaError):
    """A table, its labels or its mapping that cannot be used as they are; says file, column and what was expected."""


class Unmigratable(AmanaError):
    """Feature stores, or a model, that a migration can't be made with."""


class Stopped(AmanaError):
    """A state that a person must look at."""


class Recreated(Stopped):
    """A topic is not the one that the stored state belongs to."""


class AheadOfLog(Stopped):
    """A fence beyond the log's end."""


class Unservable(Stopped):
    """A host and port that metrics cannot be served at."""


class Replaced(Stopped):
    """Another process has this worker's place in its group."""


class Unrebuildable(Stopped):
    """The log begins after what the store would need."""


class Stalled(Stopped):
    """Records to read, nothing known to be down, and no progress."""
