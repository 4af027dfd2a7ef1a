"""When somebody last left a group: who leaves within the hour of a release is told of at the next one."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.drop_index("sharing_groups_shrunk", "sharing_groups")
    op.add_column("sharing_groups", sa.Column("shrunk_at_ms", sa.BigInteger))
    op.execute(sa.text("UPDATE sharing_groups SET shrunk_at_ms = 0 WHERE shrunk"))
    op.drop_column("sharing_groups", "shrunk")
    op.create_index("sharing_groups_shrunk", "sharing_groups", ["shrunk_at_ms"])


def downgrade() -> None:
    op.drop_index("sharing_groups_shrunk", "sharing_groups")
    op.add_column("sharing_groups", sa.Column("shrunk", sa.Boolean, nullable=False, server_default=sa.false()))
    op.execute(sa.text("UPDATE sharing_groups SET shrunk = (shrunk_at_ms IS NOT NULL)"))
    op.drop_column("sharing_groups", "shrunk_at_ms")
    op.create_index("sharing_groups_shrunk", "sharing_groups", ["shrunk"])
