"""Runs the migrations on the connection that reports.upgrade hands over."""

from alembic import context

from reports.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
