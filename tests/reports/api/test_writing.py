"""What comes in: one record or many, judged here, each once."""

import gzip
import json
import threading
from typing import Any

import pytest
from sqlalchemy import select

from reports.api.envelope import EVENT, EVENT_TYPE
from reports.api.service import Settings
from reports.record import Record
from reports.tables import audit
from reports.verdict import judged
from tests.reports._records import START, fault, record, target
from tests.reports.api.conftest import Api, fields


def data(**changes: Any) -> dict[str, Any]:
    whole: dict[str, Any] = json.loads(record().canonical())
    return whole | changes


def as_bytes(told: Any) -> bytes:
    return json.dumps(told).encode()


def test_a_record_is_stored_once_and_judged_here(api: Api) -> None:
    first, again = api.post(record()), api.post(record())
    assert (first.status_code, first.headers["location"]) == (201, "/api/v1/runs/run-1")
    assert first.json() == {
        "run": "run-1",
        "address": judged(record()).address(),
        "kept": "stored",
        "verdict": "pass",
        "score": 100.0,
    }
    assert (again.status_code, again.json()["kept"]) == (200, "present")
    assert api.store.content("run-1") == judged(record()).canonical()
    assert [row.project for row in api.store.rows(limit=9)] == ["payment"]


def test_what_a_sender_claims_of_its_run_counts_for_nothing(api: Api) -> None:
    unmet = record(faults=(fault(target(hits=0)),))
    flattered = unmet.model_copy(update={"judgement": judged(record()).judgement})
    answer = api.post(flattered).json()
    assert (answer["verdict"], answer["score"]) == ("inconclusive", None)
    assert api.store.record("run-1") == judged(unmet)


def test_a_run_with_another_record_is_a_conflict_and_stays(api: Api) -> None:
    api.post(record())
    answer = api.post(record(ended=START + 181))
    assert (answer.status_code, fields(answer)) == (409, ["/run"])
    assert api.store.record("run-1").ended == START + 180


@pytest.mark.parametrize(
    ("body", "status", "named"),
    [
        (b"{", 400, []),
        (b"", 400, []),
        (b'"text"', 422, ["/"]),
        (as_bytes(data(ended="soon")), 422, ["/ended"]),
        (as_bytes(data(surprise=1)), 422, ["/surprise"]),
        (as_bytes(data(schema=2)), 422, ["/schema"]),
        (as_bytes({name: value for name, value in data().items() if name != "schema"} | {"schema_version": "7.1"}), 422,
         ["/schema_version"]),
        (as_bytes(data(run="../../etc")), 422, ["/run"]),
        (as_bytes(data(started=START, ended=START - 1)), 422, ["/ended"]),
        (as_bytes(data(started=1e300, ended=1e300)), 422, ["/ended"]),
        (as_bytes(data(experiment={"title": "a\0b"})), 422, ["/title"]),
        (as_bytes(data(promise={"slo": 99.99999999999999999})), 422, ["/promise/slo"]),
        (as_bytes(data(series=[data()["series"][0] | {"values": []}])), 422, ["/series/0"]),
        (as_bytes(data(journal={"deep": "x"})).replace(b'"x"', b"NaN"), 400, []),
    ],
)  # fmt: skip
def test_what_is_no_record_is_refused_by_the_field_at_fault(
    api: Api, body: bytes, status: int, named: list[str]
) -> None:
    answer = api.post(body)
    assert (answer.status_code, fields(answer)) == (status, named)
    assert api.store.rows(limit=9) == []


def test_a_bulk_says_of_each_line_what_became_of_it(api: Api) -> None:
    api.post(record())
    many: list[Record | bytes] = [
        record(),
        b"",
        record(run="a"),
        b"{}",
        record(run="a"),
        record(run="a", ended=START + 181),
        b"no",
    ]
    answer = api.lines(*many)
    told = answer.json()
    assert (answer.status_code, told["stored"], told["present"]) == (207, 1, 2)
    assert [(each["line"], each["problem"]["status"]) for each in told["refused"]] == [(4, 422), (6, 409), (7, 400)]
    assert api.store.record("a").ended == START + 180
    assert api.lines(record(run="b"), record(run="c")).json() == {"stored": 2, "present": 0, "refused": []}


def test_a_key_replays_its_answer_and_never_another_body(api: Api) -> None:
    first = api.post(record(), Idempotency_Key="k")
    again = api.post(record(), Idempotency_Key="k")
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    other = api.post(record(run="run-2"), Idempotency_Key="k")
    assert (other.status_code, fields(other)) == (422, ["Idempotency-Key"])
    assert len(api.store.rows(limit=9)) == 1
    api.headers = api.token()
    assert api.post(record(run="run-2"), Idempotency_Key="k").status_code == 201


def test_a_refused_request_leaves_its_key_free(api: Api) -> None:
    assert api.post(b"{", Idempotency_Key="k").status_code == 400
    assert api.post(record(), Idempotency_Key="k").status_code == 201


def test_a_key_in_use_is_a_conflict(api: Api) -> None:
    held, go = threading.Event(), threading.Event()

    def work(_connection: Any) -> Any:
        held.set()
        assert go.wait(60)
        raise KeyError

    answers = api.app.state.service.answers
    ident = api.headers["Authorization"].split("_")[1]

    def hold() -> None:
        with pytest.raises(KeyError):
            answers.once(ident, "k", "another", work)

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(60)
    answer = api.post(record(), Idempotency_Key="k")
    go.set()
    holder.join()
    assert (answer.status_code, answer.headers["retry-after"]) == (409, "1")
    assert api.post(record(), Idempotency_Key="k").status_code == 201


def test_a_cloudevent_is_taken_structured_and_binary(api: Api) -> None:
    event = {"specversion": "1.0", "id": "1", "source": "/ci", "type": EVENT_TYPE}
    whole = as_bytes(event | {"data": data()})
    assert api.post(whole, Content_Type=f"{EVENT}; charset=utf-8").json()["kept"] == "stored"
    headers = {f"ce_{name}": value for name, value in event.items()}
    assert api.post(record(run="b"), **headers).status_code == 201
    assert api.store.content("run-1") == judged(record()).canonical()
    wrong = api.post(as_bytes(event | {"data": data(), "type": "other"}), Content_Type=EVENT)
    assert (wrong.status_code, fields(wrong)) == (422, ["/type"])
    assert fields(api.post(record(run="c"), **(headers | {"ce_specversion": "0.3"}))) == ["ce-specversion"]
    assert fields(api.post(as_bytes(event), Content_Type=EVENT)) == ["/data"]


def test_other_kinds_of_bodies_are_refused(api: Api) -> None:
    answer = api.post(record(), Content_Type="text/plain")
    assert (answer.status_code, fields(answer)) == (415, ["Content-Type"])


@pytest.mark.parametrize(
    ("path", "kind", "content"),
    [("runs", "application/json", record().canonical()), ("junit", "application/xml", b"<testsuite/>")],
)
@pytest.mark.parametrize("size", [1, 100_000])
def test_a_body_that_is_compressed_is_refused_with_what_is_taken(
    api: Api, path: str, kind: str, content: bytes, size: int
) -> None:
    headers = api.headers | {"Content-Type": kind, "Content-Encoding": "gzip"}
    sent = gzip.compress(content + b" " * size, compresslevel=0)
    answer = api.client.post(f"/api/v1/{path}", content=sent, headers=headers)
    assert (answer.status_code, fields(answer)) == (415, ["Content-Encoding"])
    assert (answer.headers["accept-encoding"], "without Content-Encoding" in answer.text) == ("identity", True)
    assert api.post(record(), Content_Encoding="identity").status_code == 201


class TestLimits:
    @pytest.fixture
    def settings(self) -> Settings:
        return Settings(most_record=20_000, most_bulk=50_000, most_lines=3, rate=4)

    def test_a_body_beyond_its_limit_is_refused_before_it_is_read(self, api: Api) -> None:
        assert api.post(b" " * 20_001).status_code == 413
        assert api.lines(b" " * 50_001).status_code == 413
        streamed = api.client.post(
            "/api/v1/runs",
            content=(b" " * 1000 for _ in range(100)),
            headers=api.headers | {"Content-Type": "application/json"},
        )
        assert (streamed.status_code, fields(streamed)) == (413, [])

    def test_a_bulk_has_a_limit_of_lines(self, api: Api) -> None:
        assert api.lines(b"{}", b"{}", b"{}", b"{}").status_code == 422
        assert api.lines(b"").status_code == 422

    def test_requests_beyond_the_rate_are_told_when_to_come_back(self, api: Api) -> None:
        answers = [api.get("/api/v1/runs") for _ in range(60)]
        late = [answer for answer in answers if answer.status_code == 429]
        assert late, "60 requests in less than the 13 s that 4 a second allow"
        assert all(int(answer.headers["retry-after"]) >= 1 and fields(answer) == [] for answer in late)
        api.headers = api.token()
        assert api.get("/api/v1/runs").status_code == 200


def test_every_write_is_audited_with_what_became_of_it(api: Api) -> None:
    api.post(record())
    api.post(record(ended=START + 181))
    api.lines(record(), record(run="b"), b"{}")
    with api.store.engine.connect() as connection:
        rows = connection.execute(
            select(*(audit.c[name] for name in ("who", "project", "action", "subject", "outcome")))
        ).all()
    who = f"token {api.headers['Authorization'].split('_')[1]}"
    assert [tuple(row) for row in rows[1:]] == [
        (who, "payment", "ingest", "run-1", "stored"),
        (who, "payment", "ingest bulk", "b", "1 stored, 1 present, 1 refused"),
    ]
    assert rows[0].action == "token create"


def test_a_record_judged_by_an_older_formula_is_the_same_run(api: Api) -> None:
    api.store.keep(Record.model_validate(data(judgement=None)))
    older = judged(record()).judgement
    assert older is not None
    with_older = record().model_copy(update={"judgement": older.model_copy(update={"formula": "0", "score": 1.0})})
    assert not api.store.keep(with_older)
    assert api.post(with_older).json()["kept"] == "present"
