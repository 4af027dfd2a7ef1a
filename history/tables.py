"""The index's tables. They change by a migration only (history/migrations); a test compares the two.

Kept 180 days, pages one: order ids, pseudonyms and numbers, nothing that a person wrote.
"""

from sqlalchemy import BigInteger, Column, Float, Index, Integer, LargeBinary, MetaData, String, Table, Text

metadata = MetaData()

decisions = Table(
    "history_decisions",
    metadata,
    Column("decision_id", String(96), primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("order_id", String(64), nullable=False),
    Column("source_partition", Integer, nullable=False),
    Column("source_offset", BigInteger, nullable=False),
    Column("occurred_at_ms", BigInteger, nullable=False),
    Column("decided_at_ms", BigInteger, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("mode", String(16), nullable=False),
    Column("score", Float),
    Column("amount_minor", BigInteger),
    Column("currency", String(3)),
    Column("entities", Text, nullable=False),
    Column("reasons", Text, nullable=False),
    Column("model", String(64)),
    Column("definitions", String(64)),
    Column("vector", LargeBinary),
    Column("rules", String(64)),
    Column("points", Float),
    Column("shadow", Text),
    Column("scores", Text),
    Index("history_decisions_by_order", "order_id"),
    Index("history_decisions_by_time", "definitions", "occurred_at_ms"),
)

# Of each decision, by whom and what it touches: the other orders of a card or a device are found by it.
links = Table(
    "history_links",
    metadata,
    Column("entity", String(22), primary_key=True),
    Column("kind", String(8), primary_key=True),
    Column("occurred_at_ms", BigInteger, primary_key=True),
    Column("decision_id", String(96), primary_key=True),
)

labels = Table(
    "history_labels",
    metadata,
    Column("label_id", String(96), primary_key=True),  # the label's source coordinates
    Column("order_id", String(64), nullable=False),
    Column("decision_id", String(96), nullable=False),
    Column("label", String(16), nullable=False),
    Column("occurred_at_ms", BigInteger, nullable=False),
    Column("recorded_at_ms", BigInteger, nullable=False),
    Index("history_labels_by_order", "order_id"),
)

# A visit of a session, once however often it was sent; `source_offset` orders those of one time.
pages = Table(
    "history_pages",
    metadata,
    Column("session", String(22), primary_key=True),
    Column("occurred_at_ms", BigInteger, primary_key=True),
    Column("event_id", String(64), primary_key=True),
    Column("source_offset", BigInteger, nullable=False),
    Column("route", String(64), nullable=False),
    Column("status", Integer),
    Column("duration_ms", BigInteger),
    Index("history_pages_by_time", "occurred_at_ms"),
)

# Where each customer's last verification by an agency stands in its raw topic, until that record expires.
verifications = Table(
    "history_verifications",
    metadata,
    Column("customer", String(22), primary_key=True),
    Column("occurred_at_ms", BigInteger, primary_key=True),
    Column("source", Text, nullable=False),
    Index("history_verifications_by_time", "occurred_at_ms"),
)
