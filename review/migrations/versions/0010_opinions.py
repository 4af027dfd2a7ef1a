"""Second opinions: verdicts that come back blind to somebody else; and questions to the order service."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_table(
        "review_opinions",
        sa.Column("case_id", sa.String(96), primary_key=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("from_ms", sa.BigInteger, nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("resolved", sa.String(16), nullable=False),
        sa.Column("decided_by", sa.String(64), nullable=False),
        sa.Column("decided_at_ms", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.LargeBinary),
        sa.Column("first_look", sa.String(64)),
        sa.Column("due_at_ms", sa.BigInteger),
        sa.Column("second", sa.String(16)),
        sa.Column("second_by", sa.String(64)),
        sa.Column("second_at_ms", sa.BigInteger),
    )
    op.create_index("review_opinions_due", "review_opinions", ["state", "from_ms"])
    op.create_index("review_opinions_heard", "review_opinions", ["second_at_ms"])
    op.create_table(
        "review_questions",
        sa.Column("question_id", sa.String(64), primary_key=True),
        sa.Column("case_id", sa.String(96), nullable=False),
        sa.Column("question", sa.String(32), nullable=False),
        sa.Column("asked_by", sa.String(64), nullable=False),
        sa.Column("asked_at_ms", sa.BigInteger, nullable=False),
        sa.Column("answer", sa.String(16)),
        sa.Column("answered_at_ms", sa.BigInteger),
    )
    op.create_index("review_questions_by_case", "review_questions", ["case_id", "asked_at_ms"])


def downgrade() -> None:
    op.drop_table("review_questions")
    op.drop_table("review_opinions")
