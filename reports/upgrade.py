"""Bringing a store to the revision this version knows, and back to an older one."""

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from runner.errors import Missing, UsageError

__all__ = ["downgrade", "upgrade"]


def upgrade(connection: Connection, found: str, place: str) -> None:
    """Run the migrations that are missing, in the transaction of the connection; an empty `found` means all of them.

    Raises Missing where this version does not know the revision found, because a newer one wrote the store.
    """
    config, known = _configured(connection)
    _know(found, known, place)
    command.upgrade(config, "head")


def downgrade(connection: Connection, found: str, wanted: str, place: str) -> None:
    """Run migrations backwards, in the transaction of the connection, so that an older version can open the store.

    Raises UsageError for a revision that is not an older one, Missing as upgrade() does.
    """
    config, known = _configured(connection)
    _know(found, known, place)
    if wanted not in known or wanted >= found:
        older = ", ".join(revision for revision in known if revision < found) or "none"
        raise UsageError(
            f"The store {place} has revision {found or 'none'}; {wanted!r} is not one before it.",
            f"Those before it: {older}. Nothing was changed.",
        )
    command.downgrade(config, wanted)


def _configured(connection: Connection) -> tuple[Config, list[str]]:
    config = Config()
    config.set_main_option("script_location", "reports:migrations")
    config.attributes["connection"] = connection
    return config, sorted(script.revision for script in ScriptDirectory.from_config(config).walk_revisions())


def _know(found: str, known: list[str], place: str) -> None:
    if found and found not in known:
        raise Missing(
            f"The store {place} has revision {found}, and this version of chaosctl knows none beyond {max(known)}: "
            "a newer version wrote it.",
            "Upgrade chaosctl here, or name another store with --store. Nothing was changed.",
        )
