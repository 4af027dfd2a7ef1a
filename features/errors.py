"""What can go wrong with the feature store.

AmanaError
└── FeatureError
    ├── Gap            the store has not yet applied what comes before this chunk
    ├── Restarted      a shard's server is another than the one that was looked at
    ├── StoreFull      a shard's server has no memory left
    ├── NotAnAddress   the store's address is of no form that there is
    ├── NotACluster    the store's address names a cluster, and what answers there is none
    ├── OneOfACluster  the store's address names a single server, and what answers there is a cluster's node
    └── ForeignStore   the store was written for another facts topic, other definitions or another number of shards
"""

from events.errors import AmanaError


class FeatureError(AmanaError):
    """The feature store cannot do what was asked; nothing was applied."""


class Gap(FeatureError):
    """A shard's fence is behind the chunk's predecessor: read again from the lowest fence + 1."""

    def __init__(self, shard: int, partition: int, fence: int, previous: int) -> None:
        super().__init__(
            f"feature store shard {shard} has facts partition {partition} up to offset {fence}, "
            f"but the chunk follows offset {previous}: read again from offset {fence + 1}"
        )
        self.shard, self.partition, self.fence, self.previous = shard, partition, fence, previous


class Restarted(FeatureError):
    """A shard's server is another than the one that was looked at, and may have lost something: look again."""


class StoreFull(FeatureError):
    """A shard's server is at its `maxmemory`, and nothing may be evicted: it needs more."""


class NotAnAddress(FeatureError):
    """The store's address cannot be read; the message does not repeat it, since it may hold a password."""


class NotACluster(FeatureError):
    """The store's address names a cluster, and what answers there is none."""


class OneOfACluster(FeatureError):
    """The store's address names a single server, and what answers there is a cluster's node."""


class ForeignStore(FeatureError):
    """The store holds numbers that mean something else; the message says what differs."""
