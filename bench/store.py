"""The report store: runs ingested a second, the time of queries, and bytes a run, on SQLite and PostgreSQL.

    python -m bench store                                      20,000 runs each
    CHAOSCTL_BENCH_RUNS=1000000 python -m bench store          as many as a team has in years; half an hour

The server, its judges, the database and the client share this machine. PostgreSQL has a cluster of its own, with fsync
on. Records have two probes of 180 samples whose values are random, so that they compress as badly as real ones.
"""

import http.client
import json
import os
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from statistics import quantiles
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from sqlalchemy import text

from reports.api.service import Service, Settings
from reports.api.standing import _cells
from reports.cells import Key
from reports.packing import Packed, pack
from reports.portable import cell_data
from reports.queries import DAYS, history
from reports.record import Record
from reports.store import Store, open_store
from reports.tables import bodies, records, results
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
}
SECONDS = 20.0
_RUNS = int(os.environ.get("CHAOSCTL_BENCH_RUNS", "20000"))
_DURABLE = ("shared_buffers=512MB", "max_connections=60", "max_wal_size=4GB")
_HEADERS = {"Content-Type": "application/json"}


def main() -> None:
    """Print one table a database."""
    programs = binaries()
    assert programs, "PostgreSQL is not installed: make setup installs it"
    with TemporaryDirectory() as folder:
        _bench("SQLite", f"sqlite:///{folder}/store.db", min(_RUNS, 100_000))
    with postgres(programs, _DURABLE) as cluster, cluster.database() as url:
        _bench("PostgreSQL", url, _RUNS)


def _bench(name: str, url: str, runs: int) -> None:
    with open_store(url) as store:
        before = _size(store)
        took = _fill(store, runs)
        print(
            f"{name}: {runs:,} runs stored directly in {took:,.0f} s, {(_size(store) - before) / runs:,.0f} bytes a run"
        )
        _queries(name, store)
    with _served(url) as (place, shown):
        for kind, rate in (("single", _single(place, shown)), ("bulk of 200", _bulk(place, shown))):
            print(f"{name}: {rate:8,.0f} runs/s ingested over HTTP, {kind}")


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
        run_row={**template.run_row, **told},
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


def _queries(name: str, store: Store) -> None:
    service, since = Service(store, Settings()), clock() - DAYS * 86400
    rng = random.Random(1)  # noqa: S311 - repeatable on purpose
    faults = [f"fault-{number}" for number in range(FAULTS)]

    def cell() -> None:
        history(store, since, f"service-{rng.randrange(SERVICES)}", [rng.choice(faults)])

    def whole() -> None:
        history(store, since, f"service-{rng.randrange(SERVICES)}", faults)

    def scored() -> None:
        key = Key("lab", f"service-{rng.randrange(SERVICES)}", rng.choice(faults))
        json.dumps(cell_data(_cells(service, None, [key])[key]))

    for told, work in (
        ("cell", cell),
        ("service", whole),
        ("cell, scored", scored),
        ("latest 50", lambda: store.rows(50)),
    ):
        times = [_timed(work) for _ in range(100)]
        middle, late = (quantiles(times, n=20)[part] * 1e3 for part in (9, 18))
        print(f"{name}: {told:14} p50 {middle:7.1f} ms   p95 {late:7.1f} ms", flush=True)


def _timed(work: object) -> float:
    begun = time.perf_counter()
    work()  # type: ignore[operator]
    return time.perf_counter() - begun


@contextmanager
def _served(url: str) -> Iterator[tuple[str, str]]:
    shown = token(url)
    with serving(url) as server:
        yield server.url, shown


def _single(place: str, shown: str) -> float:
    bodies = _contents()
    until = time.perf_counter() + SECONDS

    def write(writer: int) -> int:
        connection, sent = http.client.HTTPConnection(urlsplit(place).netloc), 0
        while time.perf_counter() < until:
            body = bodies[sent % 20].replace(b"RUN", f"s-{writer}-{sent}".encode())
            connection.request("POST", "/api/v1/runs", body, _HEADERS | {"Authorization": f"Bearer {shown}"})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 201, answer.status
            sent += 1
        return sent

    with ThreadPoolExecutor(12) as pool:
        return sum(pool.map(write, range(12))) / SECONDS


def _bulk(place: str, shown: str) -> float:
    bodies = _contents()
    until = time.perf_counter() + SECONDS
    headers = {"Content-Type": "application/x-ndjson", "Authorization": f"Bearer {shown}"}

    def write(writer: int) -> int:
        connection, sent = http.client.HTTPConnection(urlsplit(place).netloc), 0
        while time.perf_counter() < until:
            lines = [bodies[n % 20].replace(b"RUN", f"b-{writer}-{sent + n}".encode()) for n in range(200)]
            connection.request("POST", "/api/v1/runs", b"\n".join(lines), headers)
            answer = connection.getresponse()
            told = json.loads(answer.read())
            assert told["stored"] == 200, told
            sent += 200
        return sent

    with ThreadPoolExecutor(3) as pool:
        return sum(pool.map(write, range(3))) / SECONDS


def _contents() -> list[bytes]:
    return [_record(random.Random(seed)).canonical() for seed in range(20)]  # noqa: S311 - repeatable on purpose
