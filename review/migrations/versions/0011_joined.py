"""Orders that are decided with another case, and what makes them one entity's."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    with op.batch_alter_table("review_cases") as cases:
        cases.add_column(sa.Column("card", sa.String(22)))
        cases.add_column(sa.Column("device", sa.String(22)))
        cases.add_column(sa.Column("lead", sa.String(96)))
    undecided, joined = sa.text("status <> 'decided'"), sa.text("lead IS NOT NULL")
    for name, columns, where in (
        ("card", ["card"], undecided),
        ("device", ["device"], undecided),
        ("lead", ["lead", "status"], joined),
    ):
        op.create_index(f"review_cases_by_{name}", "review_cases", columns, postgresql_where=where, sqlite_where=where)


def downgrade() -> None:
    op.execute("UPDATE review_cases SET status = 'open' WHERE status = 'joined'")
    for name in ("lead", "device", "card"):
        op.drop_index(f"review_cases_by_{name}", "review_cases")
        op.drop_column("review_cases", name)
