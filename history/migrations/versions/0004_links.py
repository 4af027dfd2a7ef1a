"""What of a decision people ask: by which rules and models, and which other orders touch the same card or device.

Decisions that were indexed before get their links from their entities; what rules and models said of them is not known.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_LINKED = {
    "sqlite": """
        INSERT INTO history_links (entity, kind, occurred_at_ms, decision_id)
        SELECT each.value, each.key, occurred_at_ms, decision_id
        FROM history_decisions, json_each(history_decisions.entities) AS each
        WHERE each.key IN ('customer', 'card', 'device', 'ip', 'address', 'session')
    """,
    "postgresql": """
        INSERT INTO history_links (entity, kind, occurred_at_ms, decision_id)
        SELECT each.value, each.key, occurred_at_ms, decision_id
        FROM history_decisions, json_each_text(history_decisions.entities::json) AS each
        WHERE each.key IN ('customer', 'card', 'device', 'ip', 'address', 'session')
    """,
}


def upgrade() -> None:
    op.add_column("history_decisions", sa.Column("rules", sa.String(64)))
    op.add_column("history_decisions", sa.Column("points", sa.Float))
    op.add_column("history_decisions", sa.Column("shadow", sa.Text))
    op.add_column("history_decisions", sa.Column("scores", sa.Text))
    op.create_table(
        "history_links",
        sa.Column("entity", sa.String(22), primary_key=True),
        sa.Column("kind", sa.String(8), primary_key=True),
        sa.Column("occurred_at_ms", sa.BigInteger, primary_key=True),
        sa.Column("decision_id", sa.String(96), primary_key=True),
    )
    op.execute(_LINKED[op.get_bind().dialect.name])


def downgrade() -> None:
    op.drop_table("history_links")
    for column in ("scores", "shadow", "points", "rules"):
        op.drop_column("history_decisions", column)
