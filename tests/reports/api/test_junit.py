"""`POST /api/v1/junit`."""

from httpx import Response

from reports.queries import cells_of
from tests.reports.api.conftest import Api, fields

REPORT = b'<testsuite name="smoke"><testcase name="a"/></testsuite>'


def post(api: Api, content: bytes, query: str = "?service=payment", kind: str = "application/xml") -> Response:
    headers = api.headers | {"Content-Type": kind}
    answer: Response = api.client.post(f"/api/v1/junit{query}", content=content, headers=headers)
    return answer


def test_a_report_is_stored_once_unverified_and_unscored(api: Api) -> None:
    first, again = post(api, REPORT), post(api, REPORT, kind="text/xml; charset=utf-8")
    assert (first.status_code, first.json()["score"], first.json()["verdict"]) == (201, None, "inconclusive")
    assert (again.status_code, again.json()) == (200, first.json() | {"kept": "present"})
    record = api.get(first.headers["location"]).json()
    assert (record["kind"], record["promise"]["service"]) == ("junit", "payment")
    assert cells_of(api.store) == [], "what is not proven makes no cell"


def test_what_is_no_report_is_refused_by_name(api: Api) -> None:
    answer = post(api, b"<!DOCTYPE x []><testsuite/>")
    assert (answer.status_code, fields(answer)) == (422, ["/"])
    assert fields(post(api, REPORT, kind="application/json")) == ["Content-Type"]
    assert fields(post(api, REPORT, "?service=a%00b")) == ["service"]
    assert post(api, b"<" + b"x" * (4 << 20)).status_code == 413


def test_a_record_cannot_pretend_to_be_one(api: Api) -> None:
    run = post(api, REPORT).json()["run"]
    content = api.get(f"/api/v1/runs/{run}").content
    assert fields(api.post(content)) == ["/kind"]
