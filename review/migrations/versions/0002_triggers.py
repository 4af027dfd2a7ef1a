"""Triggers: what has become of cases, for whoever tells the partners."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "review_triggers",
        sa.Column("place", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("decision_id", sa.String(96), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("reference", sa.String(64)),
        sa.Column("failed", sa.String(200)),
    )
    op.create_index("review_triggers_by_case", "review_triggers", ["decision_id", "place"])


def downgrade() -> None:
    op.drop_table("review_triggers")
