"""Sending what a store holds to the ingestion API of another: in bulks, each run once, again where it was not heard."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from sqlalchemy import and_, select
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_delay, wait_exponential_jitter

from reports.connect import reaching, writing
from reports.inserting import add_missing
from reports.pending import settled
from reports.place import without_password
from reports.store import Store
from reports.tables import bodies, deliveries, records, runs
from runner.errors import ChaosctlError, Refused, Unreachable, UsageError
from runner.model import clock

__all__ = ["Sent", "send", "token_from"]

_RUNS, _BYTES = 200, 8 << 20
_AGAIN = 429, 502, 503, 504
_SECONDS = 30.0


@dataclass(frozen=True)
class Sent:
    """What the server stored, had already, and would not take, with its reasons."""

    stored: int = 0
    present: int = 0
    refused: tuple[str, ...] = ()


def token_from(file: str) -> str:
    """Return the token from a file, else from CHAOSCTL_TOKEN: a command line can be read by everybody."""
    try:
        found = Path(file).read_text().strip() if file else os.environ.get("CHAOSCTL_TOKEN", "")
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}.", "Name a file that holds the token.") from error
    if not found:
        raise UsageError("No token was given.", "Set CHAOSCTL_TOKEN, or name a file with --token-file.")
    return found


def send(store: Store, to: str, token: str, patience: float = 60.0) -> Sent:
    """Send every record that the server at `to` has not confirmed yet, and note what it confirms.

    Whatever was not heard is sent again with growing pauses, for `patience` seconds a bulk; the same bulk has the same
    Idempotency-Key, and a run that arrived is not stored again. Raises UsageError for a URL or a token that cannot be
    meant, Unreachable where the server stays away: what it confirmed until then is noted. A record that is damaged
    here is not sent, and named.
    """
    place = _base(to)
    total, damaged = Sent(), list[str]()
    with httpx.Client(base_url=place, headers={"Authorization": f"Bearer {token}"}, timeout=_SECONDS) as client:
        for bulk in _bulks(store, _missing(store, place), damaged):
            total = _added(total, _deliver(store, client, place, bulk, patience))
    return _added(total, Sent(refused=tuple(damaged)))


def _base(to: str) -> str:
    parts = urlsplit(to)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise UsageError(
            f"{without_password(to)!r} is not the URL of a server.", "Write https://reports.example, without a user."
        )
    return to.rstrip("/")


def _missing(store: Store, place: str) -> list[str]:
    confirmed = and_(deliveries.c.run == records.c.run, deliveries.c.place == place)
    query = select(records.c.run).join(bodies).join(runs, runs.c.run == records.c.run).outerjoin(deliveries, confirmed)
    query = query.where(deliveries.c.run.is_(None), records.c.kind != "junit").order_by(runs.c.started, runs.c.run)
    with settled(store) as connection:
        return list(connection.scalars(query))


def _bulks(store: Store, names: Sequence[str], damaged: list[str]) -> Iterator[list[tuple[str, bytes]]]:
    bulk: list[tuple[str, bytes]] = []
    for name in names:
        try:
            bulk.append((name, store.content(name)))
        except Unreachable:
            raise
        except ChaosctlError as error:
            damaged.append(str(error))
        if len(bulk) == _RUNS or sum(len(content) for _, content in bulk) > _BYTES:
            yield bulk
            bulk = []
    if bulk:
        yield bulk


def _deliver(
    store: Store, client: httpx.Client, place: str, bulk: Sequence[tuple[str, bytes]], patience: float
) -> Sent:
    answer = _posted(client, b"\n".join(content for _, content in bulk), patience)
    refused = {entry["line"]: entry["problem"]["detail"] for entry in answer["refused"]}
    taken = [name for line, (name, _) in enumerate(bulk, 1) if line not in refused]
    with reaching(store.place), writing(store.engine) as connection:
        add_missing(connection, deliveries, [{"run": name, "place": place, "at": clock()} for name in taken], "run")
    reasons = tuple(f"{bulk[line - 1][0]}: {detail}" for line, detail in sorted(refused.items()))
    return Sent(answer["stored"], answer["present"], reasons)


def _added(one: Sent, other: Sent) -> Sent:
    return Sent(one.stored + other.stored, one.present + other.present, one.refused + other.refused)


class _Again(ChaosctlError):
    """The server asks to try again; `after` is the least number of seconds."""

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__(f"it answered {answer.status_code}: {_detail(answer)}")
        self.after = min(60.0, float(found)) if (found := answer.headers.get("retry-after", "")).isdecimal() else 0.0


def _posted(client: httpx.Client, body: bytes, patience: float) -> dict[str, Any]:
    headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": sha256(body).hexdigest()}
    retrying = Retrying(
        retry=retry_if_exception(lambda error: isinstance(error, httpx.TransportError | _Again)),
        wait=_pause,
        stop=stop_after_delay(patience),
        reraise=True,
    )
    try:
        answer: httpx.Response = retrying(_post, client, body, headers)
    except (httpx.TransportError, _Again) as error:
        told = str(error) or type(error).__name__
        raise Unreachable(
            f"{client.base_url} did not take the runs: {told}.",
            "Nothing is lost: they stay in this store, and the same command sends what is missing.",
        ) from error
    return _read(client, answer)


def _post(client: httpx.Client, body: bytes, headers: dict[str, str]) -> httpx.Response:
    answer = client.post("/api/v1/runs", content=body, headers=headers)
    if answer.status_code in _AGAIN or (answer.status_code == 409 and "retry-after" in answer.headers):
        raise _Again(answer)
    return answer


_backoff = wait_exponential_jitter(multiplier=0.2, max=10)


def _pause(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    return max(_backoff(state), error.after if isinstance(error, _Again) else 0.0)


def _read(client: httpx.Client, answer: httpx.Response) -> dict[str, Any]:
    if answer.status_code in (401, 403):
        raise Refused(
            f"{client.base_url} refuses this token: {_detail(answer)}",
            "chaosctl token create --scope ingest makes one, where that server's store is.",
        )
    try:
        told: dict[str, Any] = answer.json()
        if answer.status_code in (200, 207) and {"stored", "present", "refused"} <= told.keys():
            return told
    except ValueError:
        pass
    raise ChaosctlError(
        f"{client.base_url} answered {answer.status_code}: {_detail(answer)}",
        "See that the URL is that of a chaosctl serve of this version or a later one.",
    )


def _detail(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return " ".join(answer.text.split())[:200] or answer.reason_phrase
