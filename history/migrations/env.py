"""Runs the migrations on the connection that `history.database.upgrade` hands over; Alembic loads this file by path."""

from alembic import context

from history.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table="alembic_version_history",
)
context.run_migrations()
