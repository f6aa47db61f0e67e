"""A real server on a real PostgreSQL, killed while two hundred write: nothing is lost, and nothing is there twice."""

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
from sqlalchemy import func, select

from reports import client
from reports.packing import pack
from reports.store import open_store
from reports.tables import audit, records
from runner.errors import ChaosctlError, Refused, Unreachable
from tests.reports._records import START, record
from tests.reports._serving import serving, token

WRITERS, EACH = 200, 3
_DEADLINE = 200.0


class Writers:
    """Each keeps sending its runs until the server has confirmed them: one by one, with keys or without, or at once."""

    def __init__(self, url: str, shown: str) -> None:
        self._place = urlsplit(url)
        self._headers = {"Authorization": f"Bearer {shown}"}
        self._content = record(run="RUN").canonical()
        self._until = time.monotonic() + _DEADLINE
        self.confirmed: Counter[str] = Counter()
        self.again: Counter[str] = Counter()
        self._guard = threading.Lock()

    def write(self, writer: int) -> None:
        runs = [f"run-{writer}-{number}" for number in range(EACH)]
        for many in [runs] if writer % 3 == 2 else [[run] for run in runs]:
            key = {} if writer % 3 == 1 else {"Idempotency-Key": ",".join(many)}
            while not self._sent(many, key):
                assert time.monotonic() < self._until, f"{many} were never confirmed"
                time.sleep(0.2)
            with self._guard:
                self.confirmed.update(many)

    def _sent(self, runs: Sequence[str], key: Mapping[str, str]) -> bool:
        connection = http.client.HTTPConnection(self._place.hostname or "", self._place.port, timeout=30)
        try:
            body = b"\n".join(self._content.replace(b"RUN", run.encode()) for run in runs)
            kind = {"Content-Type": "application/x-ndjson" if len(runs) > 1 else "application/json"}
            connection.request("POST", "/api/v1/runs", body, {**self._headers, **kind, **key})
            answer = connection.getresponse()
            told = json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            with self._guard:
                self.again[type(error).__name__] += 1
            return False
        finally:
            connection.close()
        assert answer.status in (200, 201, 409, 503), told
        return answer.status in (200, 201)


def wait_until_confirmed(writers: Writers, wanted: int) -> None:
    until = time.monotonic() + _DEADLINE
    while sum(writers.confirmed.values()) < wanted:
        assert time.monotonic() < until, "too few were confirmed"
        time.sleep(0.01)


@pytest.mark.timeout(400)
def test_two_hundred_writers_and_a_server_killed_among_them_lose_and_double_nothing(pg_url: str) -> None:
    shown = token(pg_url)
    with serving(pg_url) as server, ThreadPoolExecutor(WRITERS) as pool:
        writers = Writers(server.url, shown)
        going = [pool.submit(writers.write, writer) for writer in range(WRITERS)]
        for share in (1, 2):
            wait_until_confirmed(writers, share * WRITERS * EACH // 3)
            server.kill()
            server.start()
        for each in going:
            each.result()
    everything = {f"run-{writer}-{number}" for writer in range(WRITERS) for number in range(EACH)}
    assert set(writers.confirmed) == everything
    assert writers.again, "nobody noticed that the server was killed"
    with open_store(pg_url) as store:
        assert set(store.recorded()) == everything
        with store.engine.connect() as connection:
            stored = connection.scalar(select(func.count()).select_from(records))
            noted = connection.execute(
                select(audit.c.subject, audit.c.outcome).where(audit.c.action.startswith("ingest"))
            )
            stored_once = [
                run for subject, outcome in noted if outcome != "present" for run in subject.split(",") if run
            ]
            assert stored == len(everything)
            assert Counter(stored_once) == Counter(everything), "each was written in exactly one transaction"
        assert store.content("run-199-2") == store.content("run-0-0").replace(b"run-0-0", b"run-199-2")


@pytest.mark.timeout(300)
def test_push_sends_what_a_server_has_not_confirmed_and_survives_its_death(pg_url: str) -> None:
    shown = token(pg_url)
    with open_store() as ours, serving(pg_url) as server:
        ours.keep_packed([pack(record(run=f"run-{number}", started=START - number)) for number in range(250)])
        server.kill()
        with pytest.raises(Unreachable, match="did not take the runs"):
            client.send(ours, server.url, shown, patience=0.1)
        threading.Timer(0.5, server.start).start()
        assert client.send(ours, server.url, shown, patience=100) == client.Sent(stored=250)
        assert client.send(ours, server.url, shown) == client.Sent()
        ours.keep(record(run="later"))
        with open_store(pg_url) as theirs:
            theirs.keep(record(run="later", ended=START + 999))
            sent = client.send(ours, server.url, shown)
            assert (sent.stored, sent.present, len(sent.refused)) == (0, 0, 1)
            assert "later: Run later has another record here" in sent.refused[0]
            assert len(theirs.recorded()) == 251
            assert theirs.content("run-7") == ours.content("run-7")
        with pytest.raises(Refused, match="refuses this token"):
            client.send(ours, server.url, token(pg_url, "read"))
        with pytest.raises(ChaosctlError, match="is not the URL of a server"):
            client.send(ours, "ftp://x", shown)
