"""Where records are kept: the URL of the store, and how to write it without its secret."""

import re
from urllib.parse import parse_qsl, urlencode

from runner.paths import state_dir

__all__ = ["resolved", "without_password"]

_USER_PASSWORD = re.compile(r"(?<=://)(?P<user>[^/:@]*):[^/]*@")


def resolved(store_url: str) -> str:
    """Return the store's URL; empty means the SQLite file in the state directory."""
    return store_url or f"sqlite:///{state_dir() / 'store.db'}"


def without_password(store_url: str) -> str:
    """Return the URL as it may be shown and kept, with no password in it."""
    place, question, query = store_url.partition("?")
    kept = urlencode([(key, value) for key, value in parse_qsl(query) if key != "password"], safe="/:,")
    bare = _USER_PASSWORD.sub(r"\g<user>@", place)
    return f"{bare}{question}{kept}" if kept else bare
