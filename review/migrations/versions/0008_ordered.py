"""Indexes in the queue's own order: of what nobody has decided, and of every state, with what filters ask for."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


UNDECIDED = "status <> 'decided'"
ASKED = ("outcome", "country", "method")
BEST = ("priority DESC", "decision_id")


def upgrade() -> None:
    _index("undecided", *BEST, "status", *ASKED, "due_at_ms", where=UNDECIDED)
    _index("escalated", *BEST, where=f"{UNDECIDED} AND escalated", on_sqlite=f"{UNDECIDED} AND escalated = 1")
    for name in ("queue", "due"):
        op.drop_index(f"review_cases_{name}", "review_cases")
    _index("queue", "status", *BEST, *ASKED)
    _index("due", "due_at_ms", "status", where=UNDECIDED)


def downgrade() -> None:
    for name in ("due", "queue", "escalated", "undecided"):
        op.drop_index(f"review_cases_{name}", "review_cases")
    _index("queue", "status", "priority", "decision_id")
    _index("due", "status", "due_at_ms")


def _index(name: str, *columns: str, where: str | None = None, on_sqlite: str | None = None) -> None:
    op.create_index(
        f"review_cases_{name}",
        "review_cases",
        [sa.text(column) for column in columns],
        postgresql_where=where and sa.text(where),
        sqlite_where=where and sa.text(on_sqlite or where),
    )
