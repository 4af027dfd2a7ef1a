"""Whose work a case is."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("review_cases", sa.Column("assignee", sa.String(64)))
    op.create_index("review_cases_assigned", "review_cases", ["assignee", "status", "priority"])


def downgrade() -> None:
    op.drop_index("review_cases_assigned", "review_cases")
    op.drop_column("review_cases", "assignee")
