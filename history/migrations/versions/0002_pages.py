"""The last pages of each session."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "history_pages",
        sa.Column("session", sa.String(22), primary_key=True),
        sa.Column("occurred_at_ms", sa.BigInteger, primary_key=True),
        sa.Column("event_id", sa.String(64), primary_key=True),
        sa.Column("source_offset", sa.BigInteger, nullable=False),
        sa.Column("route", sa.String(64), nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("duration_ms", sa.BigInteger),
    )
    op.create_index("history_pages_by_time", "history_pages", ["occurred_at_ms"])


def downgrade() -> None:
    op.drop_table("history_pages")
