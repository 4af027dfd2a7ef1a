"""Disclosures and how far they have come, the outbox, partners" streams, pauses."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

PLACE = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "sharing_disclosures",
        sa.Column("jti", sa.String(22), primary_key=True),
        sa.Column("partner", sa.String(32), nullable=False),
        sa.Column("contract", sa.LargeBinary, nullable=False),
        sa.Column("case_id", sa.String(96)),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("supersedes", sa.String(22)),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("place", PLACE, nullable=False),
        sa.Column("made_at_ms", sa.BigInteger, nullable=False),
        sa.Column("changed_at_ms", sa.BigInteger, nullable=False),
        sa.Column("due_at_ms", sa.BigInteger),
    )
    op.create_index("sharing_disclosures_by_case", "sharing_disclosures", ["case_id"])
    op.create_index("sharing_disclosures_due", "sharing_disclosures", ["state", "due_at_ms"])
    op.create_table(
        "sharing_outbox",
        sa.Column("place", PLACE, primary_key=True, autoincrement=True),
        sa.Column("jti", sa.String(22), nullable=False, unique=True),
        sa.Column("partner", sa.String(32), nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("urgent", sa.Boolean, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_at_ms", sa.BigInteger, nullable=False),
        sa.Column("dead", sa.String(32)),
    )
    op.create_index("sharing_outbox_next", "sharing_outbox", ["partner", "next_at_ms"])
    op.create_table(
        "sharing_streams",
        sa.Column("stream_id", sa.String(22), primary_key=True),
        sa.Column("partner", sa.String(32), nullable=False, unique=True),
        sa.Column("configuration", sa.Text, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(200)),
    )
    op.create_table(
        "sharing_pauses",
        sa.Column("partner", sa.String(32), primary_key=True),
        sa.Column("since_ms", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.String(64), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("sharing_pauses")
    op.drop_table("sharing_streams")
    op.drop_table("sharing_outbox")
    op.drop_table("sharing_disclosures")
