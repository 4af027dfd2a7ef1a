"""Runs the migrations on the connection that whoever opens the database hands over; Alembic loads this file by path."""

from alembic import context

from sharing.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table="alembic_version_sharing",
)
context.run_migrations()
