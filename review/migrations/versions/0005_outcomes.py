"""What holds of a decided case, whether it was contested, and where what waits in the outbox goes."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    with op.batch_alter_table("review_cases") as cases:
        cases.add_column(sa.Column("resolved", sa.String(16)))
        cases.add_column(sa.Column("contested", sa.Boolean, nullable=False, server_default=sa.false()))
    op.execute("UPDATE review_cases SET resolved = 'block' WHERE verdict = 'confirm_fraud'")
    op.execute("UPDATE review_cases SET resolved = 'approve' WHERE verdict = 'dismiss'")
    op.add_column("review_outbox", sa.Column("topic", sa.String(16), nullable=False, server_default="labels"))


def downgrade() -> None:
    op.execute("DELETE FROM review_outbox WHERE topic <> 'labels'")
    op.drop_column("review_outbox", "topic")
    for column in ("contested", "resolved"):
        op.drop_column("review_cases", column)
