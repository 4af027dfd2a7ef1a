"""Where customers' verifications stand in their raw topic."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "history_verifications",
        sa.Column("customer", sa.String(22), primary_key=True),
        sa.Column("occurred_at_ms", sa.BigInteger, primary_key=True),
        sa.Column("source", sa.Text, nullable=False),
    )
    op.create_index("history_verifications_by_time", "history_verifications", ["occurred_at_ms"])


def downgrade() -> None:
    op.drop_table("history_verifications")
