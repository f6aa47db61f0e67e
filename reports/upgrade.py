"""Bringing an older store, or a new one, to the revision this version knows."""

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from runner.errors import Missing

__all__ = ["upgrade"]


def upgrade(connection: Connection, found: str, place: str) -> None:
    """Run the migrations that are missing, in the transaction of the connection; an empty `found` means all of them.

    Raises Missing where this version does not know the revision found, because a newer one wrote the store.
    """
    config = Config()
    config.set_main_option("script_location", "reports:migrations")
    config.attributes["connection"] = connection
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found and found not in known:
        raise Missing(
            f"The store {place} has revision {found}, and this version of chaosctl knows none beyond {max(known)}: "
            "a newer version wrote it.",
            "Upgrade chaosctl here, or name another store with --store. Nothing was changed.",
        )
    command.upgrade(config, "head")
