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
        sa.Column("answered_at_ms", sa.BigInteger),
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
        sa.Column("made_at_ms", sa.BigInteger, nullable=False),
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
        sa.Column("verified_at_ms", sa.BigInteger),
    )
    op.create_table(
        "sharing_pauses",
        sa.Column("partner", sa.String(32), primary_key=True),
        sa.Column("since_ms", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.String(64), nullable=False),
    )
    _limits_and_answers()
    _access_and_notices()


def _limits_and_answers() -> None:
    op.create_table(
        "sharing_allowances",
        sa.Column("partner", sa.String(32), primary_key=True),
        sa.Column("per_minute", sa.Integer),
        sa.Column("per_day", sa.Integer),
        sa.Column("next_us", sa.BigInteger, nullable=False),
        sa.Column("day", sa.Integer, nullable=False),
        sa.Column("sent_today", sa.Integer, nullable=False),
    )
    op.create_table(
        "sharing_seen",
        sa.Column("partner", sa.String(32), primary_key=True),
        sa.Column("jti_hash", sa.LargeBinary, primary_key=True),
        sa.Column("via", sa.String(48), nullable=False),
        sa.Column("until_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "sharing_refused_answers",
        sa.Column("partner", sa.String(32), primary_key=True),
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("reason", sa.String(32), nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
    )


def _access_and_notices() -> None:
    op.create_table(
        "sharing_access",
        sa.Column("token_hash", sa.LargeBinary, primary_key=True),
        sa.Column("partner", sa.String(32), nullable=False),
        sa.Column("expires_at_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "sharing_notices",
        sa.Column("place", PLACE, primary_key=True, autoincrement=True),
        sa.Column("partner", sa.String(32), nullable=False),
        sa.Column("stream_id", sa.String(22), nullable=False),
        sa.Column("event_uri", sa.String(128), nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("asked_at_ms", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    for table in ("notices", "access", "refused_answers", "seen", "allowances"):
        op.drop_table(f"sharing_{table}")
    op.drop_table("sharing_pauses")
    op.drop_table("sharing_streams")
    op.drop_table("sharing_outbox")
    op.drop_table("sharing_disclosures")
