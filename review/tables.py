"""The case database's tables. They change by a migration only (review/migrations); a test compares the two."""

from sqlalchemy import BigInteger, Column, Float, Index, Integer, LargeBinary, MetaData, String, Table, Text

metadata = MetaData()

cases = Table(
    "review_cases",
    metadata,
    Column("decision_id", String(96), primary_key=True),
    Column("order_id", String(64), nullable=False),
    Column("opened_at_ms", BigInteger, nullable=False),
    Column("occurred_at_ms", BigInteger, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("mode", String(16), nullable=False),
    Column("subject", String(22), nullable=False),
    Column("score", Float),
    Column("reasons", Text, nullable=False),
    Column("amount_minor", BigInteger),
    Column("currency", String(3)),
    Column("country", String(2)),
    Column("last4", String(4)),
    Column("method", String(16)),
    Column("email_index", String(22)),
    Column("phone_index", String(22)),
    Column("envelope", LargeBinary),
    Column("withheld", String(16)),
    Column("status", String(16), nullable=False),
    Column("version", Integer, nullable=False),
    Column("verdict", String(16)),
    Column("decided_at_ms", BigInteger),
    Column("decided_by", String(64)),
    Column("reason", LargeBinary),
    Index("review_cases_queue", "status", "opened_at_ms", "decision_id"),
    Index("review_cases_by_order", "order_id"),
    Index("review_cases_by_subject", "subject"),
    Index("review_cases_by_email", "email_index"),
    Index("review_cases_by_phone", "phone_index"),
)

# The only place of a wrapped subject key: delete the row, and all that was sealed under it is gone.
subject_keys = Table(
    "review_subject_keys",
    metadata,
    Column("subject", String(22), primary_key=True),
    Column("wrapped", LargeBinary, nullable=False),
)

# Labels that a verdict has made and that are not published yet, in the order of the verdicts.
outbox = Table(
    "review_outbox",
    metadata,
    Column("place", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("event_id", String(64), nullable=False, unique=True),
    Column("body", LargeBinary, nullable=False),
)

# What has become of a case, written with it in one transaction, until the partners' messages of it are made.
# `failed` says which contracts could not be told, and why; such a row stays until somebody has it tried again.
triggers = Table(
    "review_triggers",
    metadata,
    Column("place", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("decision_id", String(96), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("reference", String(64)),
    Column("failed", String(200)),
    Index("review_triggers_by_case", "decision_id", "place"),
)
