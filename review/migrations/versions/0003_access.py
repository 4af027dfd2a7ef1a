"""Accounts, sign-ins, and who did what."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "review_accounts",
        sa.Column("username", sa.String(64), primary_key=True),
        sa.Column("roles", sa.Text, nullable=False),
        sa.Column("language", sa.String(2), nullable=False),
        sa.Column("password", sa.String(256)),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("locked_until_ms", sa.BigInteger, nullable=False),
        sa.Column("disabled", sa.Boolean, nullable=False),
    )
    op.create_table(
        "review_sessions",
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("username", sa.String(64), nullable=False),
        sa.Column("began_ms", sa.BigInteger, nullable=False),
        sa.Column("issued_ms", sa.BigInteger, nullable=False),
        sa.Column("used_ms", sa.BigInteger, nullable=False),
        sa.Column("ends_ms", sa.BigInteger),
    )
    op.create_index("review_sessions_by_username", "review_sessions", ["username"])
    op.create_table(
        "review_audit",
        sa.Column("place", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.String(64), nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("case_id", sa.String(96)),
        sa.Column("fields", sa.Text, nullable=False),
    )
    op.create_index("review_audit_by_case", "review_audit", ["case_id"])
    op.create_index("review_audit_by_actor", "review_audit", ["actor", "at_ms"])


def downgrade() -> None:
    op.drop_table("review_audit")
    op.drop_table("review_sessions")
    op.drop_table("review_accounts")
