"""How far the work on a case has come, notes, programs' tokens, and when what a verdict sets off may leave."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    with op.batch_alter_table("review_cases") as cases:
        cases.add_column(sa.Column("priority", sa.Float, nullable=False, server_default="0"))
        cases.add_column(sa.Column("holder", sa.String(64)))
        cases.add_column(sa.Column("until_ms", sa.BigInteger))
        cases.add_column(sa.Column("due_at_ms", sa.BigInteger))
        cases.add_column(sa.Column("escalated", sa.Boolean, nullable=False, server_default=sa.false()))
        cases.add_column(sa.Column("first_look", sa.String(64)))
    op.drop_index("review_cases_queue", "review_cases")
    op.create_index("review_cases_queue", "review_cases", ["status", "priority", "decision_id"])
    op.create_index("review_cases_timed", "review_cases", ["status", "until_ms"])
    op.create_index("review_cases_due", "review_cases", ["status", "due_at_ms"])
    op.execute("UPDATE review_cases SET holder = decided_by WHERE status = 'decided'")
    op.create_table(
        "review_notes",
        sa.Column("place", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("case_id", sa.String(96), nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_index("review_notes_by_case", "review_notes", ["case_id", "place"])
    op.create_table(
        "review_tokens",
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("username", sa.String(64), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("expires_ms", sa.BigInteger, nullable=False),
    )
    op.create_index("review_tokens_by_username", "review_tokens", ["username", "name"])
    for table in ("review_outbox", "review_triggers"):
        op.add_column(table, sa.Column("not_before_ms", sa.BigInteger, nullable=False, server_default="0"))


def downgrade() -> None:
    op.drop_table("review_tokens")
    op.drop_table("review_notes")
    for table in ("review_outbox", "review_triggers"):
        op.drop_column(table, "not_before_ms")
    for index in ("review_cases_due", "review_cases_timed", "review_cases_queue"):
        op.drop_index(index, "review_cases")
    op.create_index("review_cases_queue", "review_cases", ["status", "opened_at_ms", "decision_id"])
    for column in ("first_look", "escalated", "due_at_ms", "until_ms", "holder", "priority"):
        op.drop_column("review_cases", column)
