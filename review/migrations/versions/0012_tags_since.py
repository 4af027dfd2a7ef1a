"""When a tag was put: one of before a second opinion is kept back from who gives it."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.add_column("review_tags", sa.Column("put_at_ms", sa.BigInteger(), nullable=False, server_default="0"))


def downgrade() -> None:
    op.drop_column("review_tags", "put_at_ms")
