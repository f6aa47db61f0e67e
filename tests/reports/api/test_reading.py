"""What is read back: pages with cursors, ETags, the bytes as they are stored, and how cells and services stand."""

import json
import time
from pathlib import Path
from urllib.parse import quote

import pytest

from reports.api import problems
from reports.api.service import Settings
from reports.cells import cells
from reports.history import RunSummary
from reports.packing import pack
from reports.record import Promise, Record
from reports.retention import Ages, prune
from reports.services import Declared
from reports.verdict import judged
from tests.reports._records import START, bad_at, record, series
from tests.reports.api.conftest import Api, fields

REQUIRED = Declared(requires={"etcd-latency": 1.0})
SHIFT = time.time() - START - 3600


def lately(run: str, days: float = 0, **changes: object) -> Record:
    """Return a run of these days: cells look back from now."""
    told = json.loads(record(run=run, **changes).canonical(), parse_float=float)

    def moved(value: object) -> object:
        if isinstance(value, dict):
            return {name: moved(each) for name, each in value.items()}
        if isinstance(value, list):
            return [moved(each) for each in value]
        return value + SHIFT - days * 86400 if isinstance(value, float) and value >= START - 1e6 else value

    return Record.model_validate(moved(told))


def test_runs_come_in_pages_and_none_twice_while_others_arrive(api: Api) -> None:
    api.store.keep_packed(
        [pack(record(run=f"r{number}", started=START + number // 2), "payment") for number in range(7)]
    )
    seen, path = [], "/api/v1/runs?limit=3"
    while path:
        page = api.get(path).json()
        seen += [row["run"] for row in page["runs"]]
        api.post(record(run=f"new{len(seen)}", started=START + 60))
        path = page["next"] and f"/api/v1/runs?limit=3&cursor={page['next']}"
    assert seen == ["r6", "r5", "r4", "r3", "r2", "r1", "r0"]


def test_a_cursor_that_is_none_is_refused(api: Api) -> None:
    for path in ("runs", "cells", "services"):
        for cursor in ("x", "AAAA", "W10", "WzEsIDJd", "bnVsbA"):
            answer = api.get(f"/api/v1/{path}?cursor={cursor}")
            assert (answer.status_code, fields(answer)) == (422, ["cursor"])


def test_filters_choose_runs(api: Api) -> None:
    api.lines(record(), record(run="b", promise=Promise(service="orders")))
    assert [row["run"] for row in api.get("/api/v1/runs?service=orders").json()["runs"]] == ["b"]
    assert [row["run"] for row in api.get("/api/v1/runs?verdict=fail").json()["runs"]] == []
    assert fields(api.get("/api/v1/runs?verdict=good")) == ["verdict"]
    assert fields(api.get("/api/v1/runs?limit=0")) == ["limit"]


def test_a_record_comes_back_as_its_bytes_and_its_etag_is_its_address(api: Api) -> None:
    api.post(record())
    answer = api.get("/api/v1/runs/run-1")
    assert answer.content == judged(record()).canonical()
    tag = f'"{judged(record()).address()}"'
    assert answer.headers["etag"] == tag
    for known in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        again = api.get("/api/v1/runs/run-1", **{"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b"")
    assert api.get("/api/v1/runs/run-1", **{"If-None-Match": '"x"'}).status_code == 200


def test_a_list_has_an_etag_that_changes_with_it(api: Api) -> None:
    tag = api.get("/api/v1/runs").headers["etag"]
    assert api.get("/api/v1/runs", **{"If-None-Match": tag}).status_code == 304
    api.post(record())
    assert api.get("/api/v1/runs", **{"If-None-Match": tag}).status_code == 200


def test_series_come_in_pages(api: Api) -> None:
    api.post(record(series=(series(), series(probe="p99"))))
    first = api.get("/api/v1/runs/run-1/series?limit=1").json()
    second = api.get(f"/api/v1/runs/run-1/series?limit=1&cursor={first['next']}").json()
    assert [page["series"][0]["probe"] for page in (first, second)] == ["orders-succeed", "p99"]
    assert second["next"] is None


def test_what_is_not_there_is_said(api: Api) -> None:
    for path in ("runs/x", "runs/x/series", "runs/x/rollup", "runs/%00", "cells/a/b", "services/x", "nowhere"):
        assert api.get(f"/api/v1/{path}").status_code == 404


def test_a_pruned_run_is_gone_and_its_rollup_remains(api: Api) -> None:
    api.post(lately("old", days=31))
    api.post(lately("new"))
    assert api.get("/api/v1/runs/old/rollup").status_code == 404
    prune(api.store, Ages())
    assert api.get("/api/v1/runs/old").status_code == 410
    rollup = api.get("/api/v1/runs/old/rollup").json()
    assert (rollup["rollup"], rollup["run"], rollup["judgement"]["score"]) == (1, "old", 100.0)
    assert api.get("/api/v1/runs/new").status_code == 200
    assert api.post(lately("old", days=31)).json()["kept"] == "present"


def test_cells_and_services_stand_as_their_runs_say(api: Api) -> None:
    nights = [lately(f"n{day}", day, series=(series(bad_at(*range(62, 62 + day))),)) for day in range(4)]
    api.lines(*nights)
    (expected,) = cells([RunSummary.of(each) for each in nights], time.time()).values()
    assert expected.score is not None
    cell = api.get("/api/v1/cells/payment/network-dns").json()
    assert (cell["valid"], cell["score"], cell["low"]) == (4, expected.score._asdict(), expected.low)
    assert [run["run"] for run in cell["tracks"][0]["runs"]] == ["n3", "n2", "n1", "n0"]
    service = api.get("/api/v1/services/payment").json()
    assert (service["score"], service["coverage"]) == (round(expected.low, 1), 1.0)
    assert [each["service"] for each in api.get("/api/v1/services").json()["services"]] == ["payment"]


def test_a_cell_says_how_old_its_last_valid_run_is_however_old(api: Api) -> None:
    api.post(lately("old", days=60))
    cell = api.get("/api/v1/cells/payment/network-dns").json()
    assert (cell["valid"], cell["score"]) == (0, None)
    assert cell["last_valid"] == lately("old", days=60).started


def test_cells_come_in_pages(api: Api) -> None:
    api.lines(*(lately(f"r{number}", promise=Promise(service=f"s{number}")) for number in range(3)))
    first = api.get("/api/v1/cells?limit=2").json()
    second = api.get(f"/api/v1/cells?limit=2&cursor={first['next']}").json()
    assert [cell["service"] for cell in first["cells"] + second["cells"]] == ["s0", "s1", "s2"]
    page = api.get("/api/v1/services?limit=2").json()
    rest = api.get(f"/api/v1/services?limit=2&cursor={page['next']}").json()
    assert [each["service"] for each in page["services"] + rest["services"]] == ["s0", "s1", "s2"]


@pytest.mark.parametrize("settings", [Settings(declared={"lab": dict.fromkeys(("payment", "secret"), REQUIRED)})])
def test_what_a_project_never_ran_counts_0_and_services_it_never_ran_are_not_named(api: Api) -> None:
    api.post(lately("a"))
    for headers, names in ((api.token(project=""), ["payment", "secret"]), (api.token(), ["payment"])):
        api.headers = headers
        told = {each["service"]: each for each in api.get("/api/v1/services").json()["services"]}
        assert sorted(told) == names
        assert told["payment"] == api.get("/api/v1/services/payment").json()
        states = {each["fault"]: each["state"] for each in told["payment"]["required"]}
        assert (told["payment"]["coverage"], states["etcd-latency"]) == (0.5, "never run")
        assert api.get("/api/v1/services/secret").status_code == (200 if "secret" in names else 404)


@pytest.mark.parametrize("name", ["team/pay", "a/b/c", "/", "cells/network-dns"])
def test_services_whose_names_have_slashes_are_read_like_others(api: Api, name: str) -> None:
    assert api.post(lately("a", promise=Promise(service=name))).status_code == 201
    written = quote(name, safe="")
    assert api.get(f"/api/v1/services/{written}").json()["service"] == name
    cell = api.get(f"/api/v1/cells/{written}/network-dns").json()
    assert (cell["service"], cell["fault"], len(cell["tracks"])) == (name, "network-dns", 1)
    assert api.get(f"/api/v1/services/{written}%2Fother").status_code == 404
    assert [each["fault"] for each in api.get(f"/api/v1/cells?service={written}").json()["cells"]] == ["network-dns"]


def test_the_server_says_that_its_store_answers(api: Api) -> None:
    assert api.client.get("/healthz").json() == {"status": "ok"}


def test_where_the_store_is_and_what_it_says_is_for_the_log_alone(
    api: Api, caplog: pytest.LogCaptureFixture, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(problems, "_minute", lambda: 1)
    with api.store.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE runs RENAME TO away")
        connection.exec_driver_sql("ALTER TABLE tokens RENAME TO gone")
    for answer in (api.client.get("/healthz"), api.get("/api/v1/runs"), api.post(record())):
        assert (answer.status_code, fields(answer)) == (503, [])
        assert answer.headers["retry-after"] == "5"
        assert [word in answer.text for word in (str(state), "sqlite", "no such table")] == [False] * 3
    assert f"The store sqlite:///{state}/store.db cannot be used: no such table: runs." in caplog.messages
    assert len(caplog.messages) == len(set(caplog.messages))
