"""Decisions and labels."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "history_decisions",
        sa.Column("decision_id", sa.String(96), primary_key=True),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("order_id", sa.String(64), nullable=False),
        sa.Column("source_partition", sa.Integer, nullable=False),
        sa.Column("source_offset", sa.BigInteger, nullable=False),
        sa.Column("occurred_at_ms", sa.BigInteger, nullable=False),
        sa.Column("decided_at_ms", sa.BigInteger, nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("mode", sa.String(16), nullable=False),
        sa.Column("score", sa.Float),
        sa.Column("amount_minor", sa.BigInteger),
        sa.Column("currency", sa.String(3)),
        sa.Column("entities", sa.Text, nullable=False),
        sa.Column("reasons", sa.Text, nullable=False),
        sa.Column("model", sa.String(64)),
        sa.Column("definitions", sa.String(64)),
        sa.Column("vector", sa.LargeBinary),
    )
    op.create_index("history_decisions_by_order", "history_decisions", ["order_id"])
    op.create_index("history_decisions_by_time", "history_decisions", ["definitions", "occurred_at_ms"])
    op.create_table(
        "history_labels",
        sa.Column("label_id", sa.String(96), primary_key=True),
        sa.Column("order_id", sa.String(64), nullable=False),
        sa.Column("decision_id", sa.String(96), nullable=False),
        sa.Column("label", sa.String(16), nullable=False),
        sa.Column("occurred_at_ms", sa.BigInteger, nullable=False),
        sa.Column("recorded_at_ms", sa.BigInteger, nullable=False),
    )
    op.create_index("history_labels_by_order", "history_labels", ["order_id"])


def downgrade() -> None:
    op.drop_table("history_labels")
    op.drop_table("history_decisions")
