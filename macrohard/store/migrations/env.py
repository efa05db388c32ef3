"""What Alembic runs: the migrations, on the connection and in the transaction of the caller."""

from alembic import context

from macrohard.store.tables import Table

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Table.metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
context.run_migrations()
