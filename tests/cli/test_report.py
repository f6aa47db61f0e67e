"""`chaosctl report` against real stores and spools."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from reports import sink, spool
from reports.record import Problem, Promise, Record, Start
from reports.store import open_store
from reports.text import summary
from reports.verdict import judged
from runner.cli.report import command
from runner.errors import ChaosctlError, Unreachable, UsageError
from tests.reports._records import EXPERIMENT, ORIGIN, START, fault, record, series, target

ROOT = Path(__file__).parents[2]
STARTED = Start(run="20270115-090000-night-77aa", experiment=EXPERIMENT, origin=ORIGIN, started=START + 3600)

WITH_A_STORE = """
default: preprod
environments:
  preprod:
    kind: preproduction
    store: {{url: "sqlite:///{file}"}}
"""


def report(*arguments: str) -> Result:
    return CliRunner().invoke(command, arguments)


def error(*arguments: str) -> ChaosctlError:
    raised = report(*arguments).exception
    assert isinstance(raised, ChaosctlError), raised
    return raised


def runs(*arguments: str) -> list[str]:
    result = report("list", "--output", "json", *arguments)
    assert result.exit_code == 0, result.output
    return [row["run"] for row in json.loads(result.stdout)["runs"]]


@pytest.fixture
def three() -> list[Record]:
    """Three runs that ended, a pass, an abort and an injection, in the default store."""
    many = [
        record(run="20270115-080000-dns-1111"),
        record(
            run="20270115-080001-dns-2222",
            started=START + 1,
            promise=Promise(service="orders"),
            problem=Problem(kind="aborted", message="Stopped by SIGINT."),
        ),
        record(run="20270115-080002-dns-3333", started=START + 2, kind="inject", series=()),
    ]
    for each in many:
        sink.finish(each)
    return [judged(each) for each in many]


def test_the_latest_runs_come_first_with_what_came_of_them(three: list[Record]) -> None:
    lines = report("list").stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["run", "verdict"],
        ["20270115-080002-dns-3333", "proven"],
        ["20270115-080001-dns-2222", "aborted"],
        ["20270115-080000-dns-1111", "pass"],
    ]
    assert " ".join(lines[3].split()[1:]) == "pass 100 payment Payments bear the loss of redis-cluster"


def test_filters_choose_runs(three: list[Record]) -> None:
    first, second, third = (each.run for each in three)
    assert runs() == [third, second, first]
    assert runs("--limit", "1") == [third]
    assert runs("--service", "orders") == [second]
    assert runs("--verdict", "pass") == [third, first]
    assert runs("--experiment", "loss of REDIS", "--service", "payment") == [third, first]
    assert runs("--experiment", "etcd") == []
    assert report("list", "--experiment", "etcd").stdout == "No run is like that.\n"


def test_nothing_recorded_is_no_error() -> None:
    assert (report("list").stdout, runs()) == ("No run is recorded yet.\n", [])
    assert report("push").stdout == "Nothing waits in the spool.\n"
    assert report("rescore").stdout == "No run is recorded yet.\n"


def test_a_run_that_never_ended_is_listed_as_such_with_its_time(three: list[Record]) -> None:
    sink.begin(STARTED)
    lines = report("list").stdout.splitlines()
    assert "never ended" in lines[1]
    assert "since 2027-01-15 09:00:00 UTC" in lines[1]
    assert lines[-1] == "`chaosctl faults` shows whether it left anything."
    listed = json.loads(report("list", "--output", "json").stdout)["runs"]
    assert [(row["state"], row["ended"]) for row in listed[:2]] == [("never ended", None), ("ended", three[2].ended)]
    assert "never ended" in error("show", STARTED.run).message
    assert json.loads(report("show", "last", "--output", "json").stdout)["run"] == three[2].run


def test_the_last_run_is_none_while_the_first_goes_on() -> None:
    sink.begin(STARTED)
    raised = error("show", "last")
    assert isinstance(raised, UsageError)
    assert raised.message.endswith("has ended yet.")


def test_residue_and_unproven_injections_are_told_by_their_names() -> None:
    sink.finish(record(run="a", residue=("table inet chaos_f1",)))
    sink.finish(record(run="b", kind="inject", faults=(fault(target(healed=None)),)))
    assert {tuple(line.split()[:2]) for line in report("list").stdout.splitlines()[1:]} == {
        ("a", "residue"),
        ("b", "not"),
    }


def test_what_waits_in_the_spool_is_delivered_before_anything_is_listed() -> None:
    spool.put(record())
    result = report("list", "--output", "json")
    assert [row["run"] for row in json.loads(result.stdout)["runs"]] == ["run-1"]
    assert result.stderr == "Delivered from the spool: 1 record stored.\n"
    assert report("list").stderr == ""


def test_show_prints_the_report_by_prefix_or_as_the_last(three: list[Record]) -> None:
    place = f"Stored in sqlite:///{os.environ['XDG_STATE_HOME']}/chaosctl/store.db."
    assert report("show", "20270115-080000").stdout == summary(three[0], place)
    assert report("show", "last").stdout == summary(three[2], place)
    assert isinstance(error("show", "20270115"), UsageError)
    assert isinstance(error("show", "nothing"), UsageError)


def test_show_as_json_is_the_record_as_it_is_stored(three: list[Record]) -> None:
    assert report("show", "last", "--output", "json").stdout_bytes == three[2].canonical() + b"\n"


def test_a_record_judged_again_comes_to_the_same(three: list[Record]) -> None:
    result = report("rescore")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0] == f"{three[0].run}  the same: pass, 100 of 100, formula 2"
    assert result.stdout.splitlines()[3:] == ["3 runs judged again: 3 the same, 0 otherwise."]


def test_a_record_that_would_be_judged_otherwise_is_told_and_left_alone() -> None:
    whole = judged(record())
    assert whole.judgement is not None
    flattered = record(faults=(fault(target(hits=0)),)).model_copy(update={"judgement": whole.judgement})
    nudged = whole.model_copy(update={"run": "run-3", "judgement": whole.judgement.model_copy(update={"score": 99.9})})
    for each in (flattered, record(run="run-2"), nudged):
        sink.finish(each)
    result = report("rescore", "run-1", "--output", "json")
    (told,) = json.loads(result.stdout)["rescored"]
    assert (result.exit_code, told["same"]) == (1, False)
    assert (told["stored"]["score"], told["now"]["score"], told["now"]["verdict"]) == (100.0, None, "inconclusive")
    text = report("rescore").stdout
    assert (
        "run-1  differs: stored as pass, 100 of 100, formula 2; now inconclusive, no score, formula 2. The work" in text
    )
    assert "run-2  the same" in text
    assert "run-3  differs: stored as pass, 99.9 of 100, formula 2; now pass, 100 of 100, formula 2." in text
    with open_store() as store:
        assert store.record("run-1") == flattered


def test_push_says_what_it_delivered() -> None:
    spool.put(record())
    spool.put(record(run="run-2"))
    with open_store() as store:
        store.keep(record(run="run-2"))
    assert report("push").stdout == "Delivered from the spool: 1 record stored, 1 record there already.\n"
    spool.put(record(run="run-3"))
    assert json.loads(report("push", "--output", "json").stdout) == {"stored": 1, "present": 0, "refused": []}


def test_push_names_what_cannot_be_delivered_and_exits_4() -> None:
    path = spool.put(record())
    path.write_text("{")
    result = report("push", "--output", "json")
    assert result.exit_code == 4
    assert str(path) in json.loads(result.stdout)["refused"][0]
    assert f"Not delivered: {path}" in result.stderr
    assert report("list").exit_code == 0


def test_the_store_is_the_one_named_else_the_environment_s(tmp_path: Path, state: Path) -> None:
    (tmp_path / "chaosctl.yaml").write_text(WITH_A_STORE.format(file=tmp_path / "own.db"))
    spool.put(record(run="own"), f"sqlite:///{tmp_path}/own.db")
    spool.put(record(run="default"))
    assert report("list").stderr.splitlines() == [
        "Delivered from the spool: 1 record stored.",
        f"The spool also holds runs for sqlite:///{state}/store.db: choose it with --env or --store.",
    ]
    assert runs() == ["own"]
    assert runs("--env", "preprod") == ["own"]
    assert runs("--store", f"sqlite:///{state}/store.db") == ["default"]
    assert isinstance(error("list", "--env", "nowhere"), UsageError)


def test_a_store_that_is_away_is_an_error_that_names_what_waits(tmp_path: Path) -> None:
    away = f"sqlite:///{tmp_path}/mounted/store.db"
    spool.put(record(), away)
    raised = error("list", "--store", away)
    assert isinstance(raised, Unreachable)
    assert "Nothing is lost; still in the spool: 1 file" in raised.message


def test_a_title_that_looks_like_markup_is_shown_as_it_is() -> None:
    sink.finish(record(experiment=EXPERIMENT.model_copy(update={"title": "[red]bears[/red] [x] :smile:"})))
    assert "[red]bears[/red] [x] :smile:" in report("list").stdout


def test_no_terminal_obeys_what_stands_in_a_record() -> None:
    evil = "pay\x1b]0;owned\x07\n\x1b[2Jments"
    origin = ORIGIN.model_copy(update={"labels": {"image": evil}, "user": evil})
    for number, labels in enumerate(({}, {"image": evil})):
        sink.finish(
            record(
                run=f"r{number}",
                started=START + number,
                experiment=EXPERIMENT.model_copy(update={"title": evil}),
                promise=Promise(service=evil, objective=30.0),
                origin=origin.model_copy(update={"labels": labels}),
                series=(series(probe=evil),),
                faults=(fault(target(name=evil), name=evil, sentence=evil),),
            )
        )
    for asked in ("list", "show r0", "explain r0", "compare r0 r1", "services", "trends", "rescore"):
        said = "\n".join(_on_a_terminal(*asked.split()))
        assert [word in said for word in ("\x1b]", "\x07", "\x1b[2J")] == [False] * 3, asked
    assert "pay\\x1b]0;owned\\x07 \\x1b[2Jments" in report("list").stdout


def test_a_terminal_gets_80_columns_and_as_much_of_an_id_as_show_needs(three: list[Record]) -> None:
    titled = EXPERIMENT.model_copy(update={"title": "Payments go on, whatever happens to the cache, " * 4})
    sink.finish(record(run="20270115-075900-night-8888", started=START - 60, experiment=titled))
    lines = _on_a_terminal("list")
    assert all(len(line) <= 80 for line in lines)
    assert lines[4].startswith("20270115-075900  pass       100  payment  Payments go on, whatever")
    prefix = lines[1].split()[0]
    assert prefix == "20270115-080002"
    assert runs()[0].startswith(prefix)
    assert report("show", prefix).exit_code == 0


def test_help_imports_click_alone() -> None:
    code = "import json, sys, runner.cli.report; print(json.dumps(sorted(sys.modules)))"
    printed = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True).stdout
    heavy = {"alembic", "pydantic", "reports", "rich", "sqlalchemy", "yaml"}
    assert heavy.isdisjoint(name.partition(".")[0] for name in json.loads(printed))


def _on_a_terminal(*arguments: str) -> list[str]:
    master, slave = pty.openpty()
    environment = os.environ | {"COLUMNS": "80", "TERM": "dumb"}
    argv = [sys.executable, "-c", "from runner.cli.main import main; main()", "report", *arguments]
    with subprocess.Popen(argv, cwd=ROOT, env=environment, stdout=slave, stderr=subprocess.DEVNULL) as process:
        os.close(slave)
        printed = b""
        while chunk := _read(master):
            printed += chunk
        assert process.wait() == 0
    os.close(master)
    return printed.decode().splitlines()


def _read(master: int) -> bytes:
    """Return what a terminal shows next; nothing when its last program has ended, which Linux tells by EIO."""
    try:
        return os.read(master, 4096)
    except OSError:
        return b""
