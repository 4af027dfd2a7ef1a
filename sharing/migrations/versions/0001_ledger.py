"""The ledger: leaves, whole subtrees, checkpoints, and what can be erased."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

PLACE = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    head = op.create_table(
        "sharing_head",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("size", PLACE, nullable=False),
    )
    op.bulk_insert(head, [{"id": 1, "size": 0}])
    op.create_table(
        "sharing_leaves",
        sa.Column("place", PLACE, primary_key=True, autoincrement=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("sealed", sa.LargeBinary),
    )
    op.create_index("sharing_leaves_by_sealed", "sharing_leaves", ["sealed"], unique=True)
    op.create_table(
        "sharing_nodes",
        sa.Column("level", sa.Integer, primary_key=True),
        sa.Column("place", PLACE, primary_key=True),
        sa.Column("hash", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "sharing_checkpoints",
        sa.Column("size", PLACE, primary_key=True, autoincrement=False),
        sa.Column("signed", sa.LargeBinary, nullable=False),
        sa.Column("made_at_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "sharing_lookup",
        sa.Column("place", PLACE, sa.ForeignKey("sharing_leaves.place"), primary_key=True),
        sa.Column("case_id", sa.String(96), nullable=False),
        sa.Column("jti", sa.String(22), nullable=False),
        sa.Column("salt", sa.LargeBinary, nullable=False),
    )
    op.create_index("sharing_lookup_by_case", "sharing_lookup", ["case_id"])
    op.create_index("sharing_lookup_by_jti", "sharing_lookup", ["jti"])


def downgrade() -> None:
    op.drop_table("sharing_lookup")
    op.drop_table("sharing_checkpoints")
    op.drop_table("sharing_nodes")
    op.drop_table("sharing_leaves")
    op.drop_table("sharing_head")
