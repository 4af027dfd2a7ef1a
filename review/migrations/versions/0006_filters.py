"""Filters that people keep, and indexes for what the overview and live updates count."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "review_filters",
        sa.Column("username", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("query", sa.String(512), nullable=False),
    )
    op.create_index("review_cases_opened", "review_cases", ["status", "opened_at_ms"])
    op.create_index("review_cases_decided", "review_cases", ["decided_at_ms"])


def downgrade() -> None:
    op.drop_index("review_cases_decided", "review_cases")
    op.drop_index("review_cases_opened", "review_cases")
    op.drop_table("review_filters")
