"""Sharing's tables: the ledger, what was told to whom, and what waits to be sent.

They change by a migration only (sharing/migrations); a test compares the two. No column holds a value of an order:
`sealed` is readable by its partner alone, and `lookup` is what an erasure deletes.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData()

_PLACE = BigInteger().with_variant(Integer, "sqlite")

# How many leaves there are: one row, written first by whoever appends, so that appending is one after another.
head = Table(
    "sharing_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("size", _PLACE, nullable=False),
)

# The ledger: never updated, never deleted from. `sealed` repeats what the body says, to be looked up by.
leaves = Table(
    "sharing_leaves",
    metadata,
    Column("place", _PLACE, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("sealed", LargeBinary),
    Index("sharing_leaves_by_sealed", "sealed", unique=True),
)

# Hashes of whole subtrees (RFC 6962): level 1 is over two leaves. Only what can never change is kept.
nodes = Table(
    "sharing_nodes",
    metadata,
    Column("level", Integer, primary_key=True),
    Column("place", _PLACE, primary_key=True),
    Column("hash", LargeBinary, nullable=False),
)

checkpoints = Table(
    "sharing_checkpoints",
    metadata,
    Column("size", _PLACE, primary_key=True, autoincrement=False),
    Column("signed", LargeBinary, nullable=False),
    Column("made_at_ms", BigInteger, nullable=False),
)

# What opens a leaf's commitment. Erasing a subject deletes these rows; the tree stays whole.
lookup = Table(
    "sharing_lookup",
    metadata,
    Column("place", _PLACE, ForeignKey("sharing_leaves.place"), primary_key=True),
    Column("case_id", String(96), nullable=False),
    Column("jti", String(22), nullable=False),
    Column("salt", LargeBinary, nullable=False),
    Index("sharing_lookup_by_case", "case_id"),
    Index("sharing_lookup_by_jti", "jti"),
)

# One thing told to one partner, and how far it has come (sharing/delivery/lifecycle.py).
disclosures = Table(
    "sharing_disclosures",
    metadata,
    Column("jti", String(22), primary_key=True),
    Column("partner", String(32), nullable=False),
    Column("contract", LargeBinary, nullable=False),
    Column("case_id", String(96)),
    Column("kind", String(16), nullable=False),
    Column("supersedes", String(22)),
    Column("state", String(16), nullable=False),
    Column("place", _PLACE, nullable=False),
    Column("made_at_ms", BigInteger, nullable=False),
    Column("changed_at_ms", BigInteger, nullable=False),
    Column("due_at_ms", BigInteger),
    Column("answered_at_ms", BigInteger),
    Index("sharing_disclosures_by_case", "case_id"),
    Index("sharing_disclosures_due", "state", "due_at_ms"),
)

# Sealed bytes on their way: `urgent` ones (withdrawals, corrections, deletions) go ahead of limits and pauses.
outbox = Table(
    "sharing_outbox",
    metadata,
    Column("place", _PLACE, primary_key=True, autoincrement=True),
    Column("jti", String(22), nullable=False, unique=True),
    Column("partner", String(32), nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("urgent", Boolean, nullable=False),
    Column("made_at_ms", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at_ms", BigInteger, nullable=False),
    Column("dead", String(32)),
    Index("sharing_outbox_next", "partner", "next_at_ms"),
)

# A partner's own stream as it has set it up (OpenID Shared Signals Framework 1.0).
streams = Table(
    "sharing_streams",
    metadata,
    Column("stream_id", String(22), primary_key=True),
    Column("partner", String(32), nullable=False, unique=True),
    Column("configuration", Text, nullable=False),
    Column("status", String(16), nullable=False),
    Column("reason", String(200)),
    Column("verified_at_ms", BigInteger),
)

# A person's switch: nothing but urgent messages leaves while the row stands.
pauses = Table(
    "sharing_pauses",
    metadata,
    Column("partner", String(32), primary_key=True),
    Column("since_ms", BigInteger, nullable=False),
    Column("actor", String(64), nullable=False),
)

# How much a partner may be sent (None: the deliverer's default), and how much of it is used up.
allowances = Table(
    "sharing_allowances",
    metadata,
    Column("partner", String(32), primary_key=True),
    Column("per_minute", Integer),
    Column("per_day", Integer),
    Column("next_us", BigInteger, nullable=False),
    Column("day", Integer, nullable=False),
    Column("sent_today", Integer, nullable=False),
)

# Hashes of the ids of partners' own signed statements, so that none counts twice; forgotten when they have expired.
# `via` is where it stood: the same record read again is no replay.
seen = Table(
    "sharing_seen",
    metadata,
    Column("partner", String(32), primary_key=True),
    Column("jti_hash", LargeBinary, primary_key=True),
    Column("via", String(48), nullable=False),
    Column("until_ms", BigInteger, nullable=False),
)

# Access tokens that partners hold, by their SHA-256.
access = Table(
    "sharing_access",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("partner", String(32), nullable=False),
    Column("expires_at_ms", BigInteger, nullable=False),
)

# Acknowledgements that were not believed: where they stand, and why. Never what they said.
refused_answers = Table(
    "sharing_refused_answers",
    metadata,
    Column("partner", String(32), primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("reason", String(32), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
)

# Events about a stream itself (verification, stream updated) that wait for who may sign and seal them.
notices = Table(
    "sharing_notices",
    metadata,
    Column("place", _PLACE, primary_key=True, autoincrement=True),
    Column("partner", String(32), nullable=False),
    Column("stream_id", String(22), nullable=False),
    Column("event_uri", String(128), nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("asked_at_ms", BigInteger, nullable=False),
)

# Confirmed cases that wait for a batch: `payload` is the projected message, already cut down to the contract's fields.
# `person` tells people apart and opens nothing; `likeness` is of the payload's values.
waiting = Table(
    "sharing_waiting",
    metadata,
    Column("jti", String(22), primary_key=True),
    Column("partner", String(32), nullable=False),
    Column("contract", LargeBinary, nullable=False),
    Column("case_id", String(96), nullable=False),
    Column("person", String(22), nullable=False),
    Column("likeness", LargeBinary, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("since_ms", BigInteger, nullable=False),
    Index("sharing_waiting_alike", "partner", "likeness"),
    Index("sharing_waiting_by_case", "case_id"),
)

# Groups that a batch has released: `jti` is the first message's, `head` the one that stands now. `payload` has the
# values that all members share. `shrunk_at_ms`: when somebody last left it, until the partner has heard of it.
groups = Table(
    "sharing_groups",
    metadata,
    Column("jti", String(22), primary_key=True),
    Column("head", String(22), nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("shrunk_at_ms", BigInteger),
    Index("sharing_groups_shrunk", "shrunk_at_ms"),
)

# Who is counted in them, so that a case that is cleared or erased can be taken out of the count.
members = Table(
    "sharing_members",
    metadata,
    Column("jti", String(22), primary_key=True),
    Column("group_jti", String(22), ForeignKey("sharing_groups.jti"), nullable=False),
    Column("case_id", String(96), nullable=False),
    Column("person", String(22), nullable=False),
    Index("sharing_members_by_case", "case_id"),
    Index("sharing_members_by_group", "group_jti"),
)

# Partners' pseudonym epochs that they were told of, each once.
rotations = Table(
    "sharing_rotations",
    metadata,
    Column("partner", String(32), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("since", String(10), primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
)

# What partners say came of a message (confirmed, false alarm), until it is a label.
reports = Table(
    "sharing_reports",
    metadata,
    Column("place", _PLACE, primary_key=True, autoincrement=True),
    Column("partner", String(32), nullable=False),
    Column("jti", String(22), nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
)

# A law-enforcement request: what it may name, on what basis, until when, and who approved it.
requests = Table(
    "sharing_requests",
    metadata,
    Column("reference", String(64), primary_key=True),
    Column("partner", String(32), nullable=False),
    Column("case_id", String(96), nullable=False),
    Column("fields", Text, nullable=False),
    Column("basis", String(200), nullable=False),
    Column("asked_at_ms", BigInteger, nullable=False),
    Column("expires_at_ms", BigInteger, nullable=False),
    Column("asked_by", String(64), nullable=False),
    Column("state", String(16), nullable=False),
)

# Who did what to a request; `place` is the audit leaf's on the ledger.
request_steps = Table(
    "sharing_request_steps",
    metadata,
    Column("reference", String(64), ForeignKey("sharing_requests.reference"), primary_key=True),
    Column("action", String(16), primary_key=True),
    Column("actor", String(64), primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("place", _PLACE, nullable=False),
)
