"""Tokens for the ingestion API: shown once, kept as a hash, scoped, bound to a project, expiring and revocable."""

import hmac
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from reports.connect import reaching, writing
from reports.inserting import add_missing
from reports.store import Store
from reports.tables import audit, tokens
from runner.errors import UsageError
from runner.model import clock

__all__ = ["SCOPES", "Token", "create", "listed", "note", "note_all", "noted", "revoke", "verified"]

SCOPES = "ingest", "read"
_WRITTEN = re.compile(r"chaosctl_(?P<id>[0-9a-f]{12})_(?P<secret>[A-Za-z0-9_-]{43})")
_NOBODY = sha256(b"nobody").hexdigest()


@dataclass(frozen=True)
class Token:
    """What is known of a token; without a project it reads all of them and writes runs of none."""

    id: str
    scopes: str
    project: str
    note: str
    made_by: str
    made: float
    expires: float
    revoked: float | None

    @property
    def live(self) -> bool:
        """Whether it may be used now."""
        return self.revoked is None and clock() < self.expires

    def may(self, scope: str) -> bool:
        """Whether it was made for that."""
        return scope in self.scopes.split()

    @property
    def visible(self) -> str | None:
        """The project whose runs it may read; None means all of them."""
        return self.project or None


_COLUMNS = [tokens.c[field.name] for field in fields(Token)]
_PRESENTED = select(*_COLUMNS, tokens.c.secret_hash).where(tokens.c.id == bindparam("ident"))
"""Asked with every request: to build it again takes as long as to ask."""


def create(
    store: Store, scopes: Sequence[str], project: str, seconds: float, *, made_by: str, about: str = ""
) -> tuple[Token, str]:
    """Make a token, and return it with what its holder presents, which is kept nowhere.

    The secret has 256 random bits, so its plain SHA-256 tells nobody anything: a slow hash is for passwords.
    """
    now, ident, secret = clock(), secrets.token_hex(6), secrets.token_urlsafe(32)
    token = Token(ident, " ".join(sorted(set(scopes))), project, about, made_by, now, now + seconds, None)
    with reaching(store.place), writing(store.engine) as connection:
        connection.execute(insert(tokens).values(vars(token) | {"secret_hash": _hashed(secret)}))
        note(connection, token, "local", "token create", f"{token.id} for {token.scopes}", "made", who=made_by)
    return token, f"chaosctl_{ident}_{secret}"


def listed(store: Store) -> list[Token]:
    """Return all tokens, the newest first."""
    with reaching(store.place), store.engine.connect() as connection:
        return [Token(*row) for row in connection.execute(select(*_COLUMNS).order_by(tokens.c.made.desc()))]


def revoke(store: Store, ident: str, *, by: str) -> Token:
    """Let a token be refused from now on; raises UsageError where there is none of that id."""
    with reaching(store.place), writing(store.engine) as connection:
        found = connection.execute(select(*_COLUMNS).where(tokens.c.id == ident)).one_or_none()
        if found is None:
            raise UsageError(f"No token in {store.place} has the id {ident!r}.", "chaosctl token list shows them.")
        token = Token(*found)
        if token.revoked is None:
            connection.execute(update(tokens).where(tokens.c.id == ident).values(revoked=clock()))
            note(connection, token, "local", "token revoke", ident, "revoked", who=by)
    return token


def verified(connection: Connection, presented: str) -> Token | None:
    """Return the live token that was presented, None for anything else; it takes as long whether the id is known."""
    written = _WRITTEN.fullmatch(presented)
    ident, secret = (written["id"], written["secret"]) if written else ("", "")
    found = connection.execute(_PRESENTED, {"ident": ident}).one_or_none()
    right = hmac.compare_digest(_hashed(secret), found.secret_hash if found else _NOBODY)
    token = Token(*found[:-1]) if found else None
    return token if token and right and token.live else None


def note(
    connection: Connection, token: Token, origin: str, action: str, subject: str, outcome: str, who: str = ""
) -> None:
    """Write into the audit, in the transaction of what it tells of."""
    note_all(connection, [noted(token, origin, action, subject, outcome) | ({"who": who} if who else {})])


def noted(token: Token, origin: str, action: str, subject: str, outcome: str) -> dict[str, Any]:
    """Return what the audit says of something that is done now."""
    row: dict[str, Any] = {"at": clock(), "who": f"token {token.id}", "project": token.project}
    return row | {"origin": origin, "action": action, "subject": subject, "outcome": outcome}


def note_all(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write several at once, as noted() returns them."""
    add_missing(connection, audit, rows, "id")


def _hashed(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()
