"""What waits for a batch, and who was counted in one; partners' reports; requests of the law and who approved them."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

PLACE = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "sharing_waiting",
        sa.Column("jti", sa.String(22), primary_key=True),
        sa.Column("partner", sa.String(32), nullable=False),
        sa.Column("contract", sa.LargeBinary, nullable=False),
        sa.Column("case_id", sa.String(96), nullable=False),
        sa.Column("person", sa.String(22), nullable=False),
        sa.Column("likeness", sa.LargeBinary, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("since_ms", sa.BigInteger, nullable=False),
    )
    op.create_index("sharing_waiting_alike", "sharing_waiting", ["partner", "likeness"])
    op.create_index("sharing_waiting_by_case", "sharing_waiting", ["case_id"])
    op.create_table(
        "sharing_groups",
        sa.Column("jti", sa.String(22), primary_key=True),
        sa.Column("head", sa.String(22), nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("shrunk", sa.Boolean, nullable=False),
    )
    op.create_index("sharing_groups_shrunk", "sharing_groups", ["shrunk"])
    op.create_table(
        "sharing_members",
        sa.Column("jti", sa.String(22), primary_key=True),
        sa.Column("group_jti", sa.String(22), sa.ForeignKey("sharing_groups.jti"), nullable=False),
        sa.Column("case_id", sa.String(96), nullable=False),
        sa.Column("person", sa.String(22), nullable=False),
    )
    op.create_index("sharing_members_by_case", "sharing_members", ["case_id"])
    op.create_index("sharing_members_by_group", "sharing_members", ["group_jti"])
    op.create_table(
        "sharing_rotations",
        sa.Column("partner", sa.String(32), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("since", sa.String(10), primary_key=True),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "sharing_reports",
        sa.Column("place", PLACE, primary_key=True, autoincrement=True),
        sa.Column("partner", sa.String(32), nullable=False),
        sa.Column("jti", sa.String(22), nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "sharing_requests",
        sa.Column("reference", sa.String(64), primary_key=True),
        sa.Column("partner", sa.String(32), nullable=False),
        sa.Column("case_id", sa.String(96), nullable=False),
        sa.Column("fields", sa.Text, nullable=False),
        sa.Column("basis", sa.String(200), nullable=False),
        sa.Column("asked_at_ms", sa.BigInteger, nullable=False),
        sa.Column("expires_at_ms", sa.BigInteger, nullable=False),
        sa.Column("asked_by", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
    )
    op.create_table(
        "sharing_request_steps",
        sa.Column("reference", sa.String(64), sa.ForeignKey("sharing_requests.reference"), primary_key=True),
        sa.Column("action", sa.String(16), primary_key=True),
        sa.Column("actor", sa.String(64), primary_key=True),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("place", PLACE, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("sharing_request_steps")
    op.drop_table("sharing_requests")
    op.drop_table("sharing_reports")
    op.drop_table("sharing_rotations")
    op.drop_table("sharing_members")
    op.drop_table("sharing_groups")
    op.drop_table("sharing_waiting")
