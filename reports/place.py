"""Where records are kept: the URL of the store, and how to write it without its secret."""

import re
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from runner.paths import state_dir

__all__ = ["resolved", "with_password", "without_password"]

_USER_PASSWORD = re.compile(r"(?<=://)(?P<user>[^/:@]*):[^/]*@")


def resolved(store_url: str) -> str:
    """Return the store's URL; empty means the SQLite file in the state directory."""
    return store_url or f"sqlite:///{state_dir() / 'store.db'}"


def with_password(store_url: str, password: str) -> str:
    """Return the URL with the password of its user filled in."""
    parts = urlsplit(store_url)
    user, _, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user.partition(':')[0]}:{quote(password, safe='')}@{host}"))


def without_password(store_url: str) -> str:
    """Return the URL as it may be shown and kept, with no password in it."""
    place, question, query = store_url.partition("?")
    kept = urlencode([(key, value) for key, value in parse_qsl(query) if key != "password"], safe="/:,")
    bare = _USER_PASSWORD.sub(r"\g<user>@", place)
    return f"{bare}{question}{kept}" if kept else bare
