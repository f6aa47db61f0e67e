"""The report store: runs ingested a second, the time of queries, and bytes a run, on SQLite and PostgreSQL.

    python -m bench store                                      20,000 runs each
    CHAOSCTL_BENCH_RUNS=1000000 python -m bench store          as many as a team has in years; 100,000 on SQLite

The server, its judges, the database and the client share this machine. PostgreSQL has a cluster of its own, with fsync
on. Records have two probes of 180 samples whose values are random, so that they compress as badly as real ones, and 180
counts of events. What is in the store before anything is measured is 100 services under 20 faults, nightly: 20 records
judged here, under other names and times; past the first night PostgreSQL copies its own rows, with other scores.
"""

import http.client
import json
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from statistics import quantiles
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from sqlalchemy import Table, func, select, text

from reports.api.reading import cursor
from reports.packing import Packed, pack
from reports.record import Record
from reports.store import Store, open_store
from reports.tables import bodies, pending, records, results, standings
from reports.tables import runs as runs_table
from runner.model import clock
from tests._postgres import binaries, postgres
from tests.reports._records import events, record, series
from tests.reports._serving import serving, token

SERVICES, FAULTS = 100, 20
_CELLS = SERVICES * FAULTS
_COPIED = {
    "run": "t.run || '-' || n",
    "address": "substr(md5(n::text), 1, 24) || substr(t.address, 25)",
    "started": "t.started - n * 86400.0",
    "ended": "t.ended - n * 86400.0",
    "score": "round((60 + 40 * random())::numeric, 1)::float8",
}
SECONDS = 15.0
_RUNS = int(os.environ.get("CHAOSCTL_BENCH_RUNS", "20000"))
_DURABLE = ("shared_buffers=512MB", "max_connections=60", "max_wal_size=4GB")


def main() -> None:
    """Print one table a database."""
    programs = binaries()
    assert programs, "PostgreSQL is not installed: make setup installs it"
    with postgres(programs, _DURABLE) as cluster, cluster.database() as url:
        _bench("PostgreSQL", url, _RUNS)
    with TemporaryDirectory() as folder:
        _bench("SQLite", f"sqlite:///{folder}/store.db", min(_RUNS, 100_000))


def _bench(name: str, url: str, runs: int) -> None:
    with open_store(url) as store:
        before = _size(store)
        took = _fill(store, runs)
        each = (_size(store) - before) / runs
        print(f"{name}: {runs:,} runs stored directly in {took:,.0f} s, {each:,.0f} bytes a run", flush=True)
        _queries(name, store, url)
        _ingestion(name, store, url)


def _ingestion(name: str, store: Store, url: str) -> None:
    many = ("--processes", "2") if url.startswith("postgresql") else ()
    with _served(url, *many) as (place, shown):
        print(f"{name}: {_single(place, shown):8,.0f} runs/s ingested over HTTP, one a request, 12 writers", flush=True)
    with _served(url) as (place, shown):
        print(f"{name}: {_bulk(place, shown):8,.0f} runs/s ingested over HTTP, 200 a request, 3 writers", flush=True)
        left, begun = _count(store, pending), time.perf_counter()
        _wait_until(lambda: _count(store, pending) == 0)
        took = time.perf_counter() - begun
        print(f"{name}: {left / took:8,.0f} runs/s judged behind that, of {left:,} that waited", flush=True)


def _record(rng: random.Random) -> Record:
    def values() -> tuple[float, ...]:
        return tuple(round(rng.uniform(20, 60), 2) for _ in range(180))

    offsets = tuple(round(second + rng.uniform(0, 0.05), 3) for second in range(180))
    probes = series(values=values()), series(probe="p99", values=values(), offsets=offsets)
    return record(run="RUN", series=probes, events=events())


def _packed(template: Packed, number: int, now: float) -> Packed:
    """Return one of many runs, nightly for each cell; the body is that of the template, of the right size."""
    night, cell = divmod(number, _CELLS)
    run, service, fault = f"bench-{number:09}", f"service-{cell // FAULTS}", f"fault-{cell % FAULTS}"
    told = {"run": run, "started": now - night * 86400.0 - cell}
    address = f"{number:064x}"
    (result,) = template.result_rows
    return Packed(
        run=run,
        address=address,
        body=template.body,
        run_row={**template.run_row, **told, "service": service},
        record_row={**template.record_row, "run": run, "address": address, "service": service},
        result_rows=({**result, **told, "service": service, "fault": fault},),
    )


def _fill(store: Store, runs: int) -> float:
    """Store so many runs: the first of each cell as always, the rest, on PostgreSQL, as copies that it makes itself."""
    templates = [pack(_record(random.Random(seed))) for seed in range(20)]  # noqa: S311 - repeatable on purpose
    now, begun = clock(), time.perf_counter()
    copies = store.engine.dialect.name == "postgresql"
    for first in range(0, min(runs, _CELLS) if copies else runs, 1000):
        numbers = range(first, min(first + 1000, runs))
        store.keep_packed([_packed(templates[number % 20], number, now) for number in numbers])
    if copies:
        _multiply(store, runs // _CELLS)
    return time.perf_counter() - begun


def _multiply(store: Store, nights: int) -> None:
    """Copy the first night of all cells: the same rows with other names, a day earlier each; fill, not ingestion."""
    with store.engine.connect() as raw, raw.execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("SET session_replication_role = replica"))  # what is copied refers to what is copied
        for table in (runs_table, records, bodies, results):
            names = ", ".join(f'"{column.name}"' for column in table.c)
            values = ", ".join(_COPIED.get(column.name, f't."{column.name}"') for column in table.c)
            copied = f"INSERT INTO {table.name} ({names}) SELECT {values} FROM {table.name} t, generate_series(1, {nights - 1}) n"  # noqa: S608, E501 - our tables
            connection.execute(text(copied))
        connection.execute(text("VACUUM ANALYZE"))


def _size(store: Store) -> int:
    kind = store.engine.dialect.name
    query = "SELECT pg_database_size(current_database())"
    if kind == "sqlite":
        query = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
    with store.engine.connect() as connection:
        return int(connection.execute(text(query)).scalar_one())


def _queries(name: str, store: Store, url: str) -> None:
    """Measure requests one after the other: of cells never computed, of a process just started, and of one at work."""
    services = [f"services/service-{number}" for number in range(SERVICES)]
    pages = [f"services?cursor={cursor(f'service-{number}', '')}" for number in (0, 10, 30, 50)]
    with _asking(url) as asked:
        _tell(name, "a service, never computed", [asked(path) for path in services])
        _wait_until(lambda: _count(store, standings) >= min(_CELLS, _RUNS))
    with _asking(url) as asked:
        _tell(name, "a service, new process", [asked(path) for path in services])
    for kind, path in (("50 services, new process", pages[3]), ("metrics, new process", "/metrics")):
        times = []
        for _ in range(5):
            with _asking(url) as asked:
                times.append(asked(path))
        _tell(name, kind, times)
    with _asking(url) as asked:
        _warm(name, asked, pages)


def _warm(name: str, asked: Callable[[str], float], pages: list[str]) -> None:
    rng = random.Random(1)  # noqa: S311 - repeatable on purpose

    def service() -> str:
        return f"service-{rng.randrange(SERVICES)}"

    kinds: dict[str, Callable[[], str]] = {
        "a service": lambda: f"services/{service()}",
        "a cell": lambda: f"cells/{service()}/fault-{rng.randrange(FAULTS)}",
        "cells of a service": lambda: f"cells?service={service()}",
        "50 services": lambda: rng.choice(pages),
        "latest 50 runs": lambda: "runs",
        "runs of a service": lambda: f"runs?service={service()}",
        "metrics": lambda: "/metrics",
    }
    for told, path in kinds.items():
        asked(path())
        _tell(name, told, [asked(path()) for _ in range(100)])


@contextmanager
def _asking(url: str) -> Iterator[Callable[[str], float]]:
    """Start a server, and yield what asks it for a path and returns the seconds that took."""
    with _served(url) as (place, shown):
        connection = http.client.HTTPConnection(urlsplit(place).netloc)

        def asked(path: str) -> float:
            begun = time.perf_counter()
            whole = path if path.startswith("/") else f"/api/v1/{path}"
            connection.request("GET", whole, headers={"Authorization": f"Bearer {shown}"})
            answer = connection.getresponse()
            told = answer.read()
            assert answer.status == 200, told
            return time.perf_counter() - begun

        connection.request("GET", "/healthz")
        connection.getresponse().read()
        yield asked


def _count(store: Store, table: Table) -> int:
    with store.engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0


def _wait_until(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 600
    while not true():
        assert time.monotonic() < until, "ten minutes"
        time.sleep(0.1)


def _tell(name: str, what: str, times: list[float]) -> None:
    middle, late = (quantiles(times, n=20, method="inclusive")[part] * 1e3 for part in (9, 18))
    print(f"{name}: {what:25} p50 {middle:7.1f} ms   p95 {late:7.1f} ms", flush=True)


@contextmanager
def _served(url: str, *options: str) -> Iterator[tuple[str, str]]:
    shown = token(url, project="")
    with serving(url, *options) as server:
        yield server.url, shown


def _single(place: str, shown: str) -> float:
    bodies, headers = _contents(), _headers(shown, "application/json")

    def send(connection: http.client.HTTPConnection, writer: int, sent: int) -> int:
        body = bodies[sent % 20].replace(b"RUN", f"s-{writer}-{sent}".encode())
        connection.request("POST", "/api/v1/runs", body, headers)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 201, answer.status
        return 1

    return _rate(place, 12, send)


def _bulk(place: str, shown: str) -> float:
    bodies, headers = _contents(), _headers(shown, "application/x-ndjson")

    def send(connection: http.client.HTTPConnection, writer: int, sent: int) -> int:
        lines = [bodies[n % 20].replace(b"RUN", f"b-{writer}-{sent + n}".encode()) for n in range(200)]
        connection.request("POST", "/api/v1/runs", b"\n".join(lines), headers)
        told = json.loads(connection.getresponse().read())
        assert told["stored"] == 200, told
        return 200

    return _rate(place, 3, send)


def _rate(place: str, writers: int, send: Callable[[http.client.HTTPConnection, int, int], int]) -> float:
    """Return runs a second over `SECONDS`; all processes have answered before the clock starts."""
    ready = threading.Barrier(writers)

    def write(writer: int) -> tuple[int, float]:
        connection = http.client.HTTPConnection(urlsplit(place).netloc)
        sent = first = send(connection, writer, 0)
        ready.wait()
        begun = time.perf_counter()
        while time.perf_counter() < begun + SECONDS:
            sent += send(connection, writer, sent)
        return sent - first, time.perf_counter() - begun

    with ThreadPoolExecutor(writers) as pool:
        return sum(sent / took for sent, took in pool.map(write, range(writers)))


def _headers(shown: str, kind: str) -> dict[str, str]:
    return {"Content-Type": kind, "Authorization": f"Bearer {shown}"}


def _contents() -> list[bytes]:
    return [_record(random.Random(seed)).canonical() for seed in range(20)]  # noqa: S311 - repeatable on purpose
