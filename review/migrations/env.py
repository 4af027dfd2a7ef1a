"""Runs the migrations on the connection that `review.database.upgrade` hands over; Alembic loads this file by path."""

from alembic import context

from review.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table="alembic_version_review",
)
context.run_migrations()
