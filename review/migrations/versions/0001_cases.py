"""Cases, subject keys and the outbox of labels."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "review_cases",
        sa.Column("decision_id", sa.String(96), primary_key=True),
        sa.Column("order_id", sa.String(64), nullable=False),
        sa.Column("opened_at_ms", sa.BigInteger, nullable=False),
        sa.Column("occurred_at_ms", sa.BigInteger, nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("mode", sa.String(16), nullable=False),
        sa.Column("subject", sa.String(22), nullable=False),
        sa.Column("score", sa.Float),
        sa.Column("reasons", sa.Text, nullable=False),
        sa.Column("amount_minor", sa.BigInteger),
        sa.Column("currency", sa.String(3)),
        sa.Column("country", sa.String(2)),
        sa.Column("last4", sa.String(4)),
        sa.Column("method", sa.String(16)),
        sa.Column("email_index", sa.String(22)),
        sa.Column("phone_index", sa.String(22)),
        sa.Column("envelope", sa.LargeBinary),
        sa.Column("withheld", sa.String(16)),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("verdict", sa.String(16)),
        sa.Column("decided_at_ms", sa.BigInteger),
        sa.Column("decided_by", sa.String(64)),
        sa.Column("reason", sa.LargeBinary),
    )
    op.create_index("review_cases_queue", "review_cases", ["status", "opened_at_ms", "decision_id"])
    op.create_index("review_cases_by_order", "review_cases", ["order_id"])
    op.create_index("review_cases_by_subject", "review_cases", ["subject"])
    op.create_index("review_cases_by_email", "review_cases", ["email_index"])
    op.create_index("review_cases_by_phone", "review_cases", ["phone_index"])
    op.create_table(
        "review_subject_keys",
        sa.Column("subject", sa.String(22), primary_key=True),
        sa.Column("wrapped", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "review_outbox",
        sa.Column("place", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("event_id", sa.String(64), nullable=False, unique=True),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("review_outbox")
    op.drop_table("review_subject_keys")
    op.drop_table("review_cases")
