"""Whose work a case is, and its tags."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("review_cases", sa.Column("assignee", sa.String(64)))
    op.create_index("review_cases_assigned", "review_cases", ["assignee", "status", "priority"])
    op.create_table(
        "review_tags",
        sa.Column("tag", sa.String(32), primary_key=True),
        sa.Column("case_id", sa.String(96), primary_key=True),
    )
    op.create_index("review_tags_of_case", "review_tags", ["case_id"])


def downgrade() -> None:
    op.drop_table("review_tags")
    op.drop_index("review_cases_assigned", "review_cases")
    op.drop_column("review_cases", "assignee")
