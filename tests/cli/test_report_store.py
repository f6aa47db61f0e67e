"""`chaosctl token`, `serve` and what moves, prunes and pins a store: as people call them."""

import json
import re
import sqlite3
from pathlib import Path

import pytest

from reports import spool
from reports.place import resolved
from reports.record import Record
from reports.store import open_store
from reports.tables import REVISION
from runner.model import clock
from tests._cli import Speaker, chaosctl
from tests.reports._records import SECONDS, record
from tests.reports._serving import serving

OLD = round(clock()) - 100 * 86400.0


@pytest.fixture
def kept() -> Record:
    """A run in the store, of long ago."""
    made = record(started=OLD, ended=OLD + SECONDS)
    with open_store() as store:
        store.keep(made)
    return made


def told(say: Speaker, *arguments: str) -> dict[str, object]:
    said = say(*arguments, "--output", "json")
    assert said.code == 0, said
    found: dict[str, object] = json.loads(said.out)
    return found


def test_a_token_is_shown_once_listed_without_its_secret_and_revoked(say: Speaker, state: Path) -> None:
    made = told(say, "token", "create", "--scope", "ingest", "--project", "payment", "--expires", "90d")
    secret, ident = str(made["token"]), str(made["id"])
    listed = say("token", "list")
    assert ident in listed.out
    assert secret not in listed.out
    assert secret.encode() not in b"".join(path.read_bytes() for path in state.rglob("store.db*"))
    assert say("token", "revoke", ident).out == f"Token {ident} is refused from now on.\n"
    assert "revoked" in say("token", "list").out
    assert "writes runs that are of no project" in " ".join(say("token", "create", "--help").out.split())
    assert say("token", "create", "--scope", "ingest", "--expires", "400d").code == 2
    assert say("token", "revoke", "nobody").code == 2


def test_a_run_is_pushed_to_a_server_once(say: Speaker, kept: Record, tmp_path: Path) -> None:
    there = f"sqlite:///{tmp_path}/team.db"
    made = told(say, "token", "create", "--scope", "ingest", "--project", "payment", "--store", there)
    file = tmp_path / "token"
    file.write_text(f"{made['token']}\n")
    with serving(there, "--judges", "0") as server:
        push = "report", "push", "--to", server.url, "--token-file", str(file)
        assert told(say, *push) == {"stored": 1, "present": 0, "refused": []}
        assert told(say, *push) == {"stored": 0, "present": 0, "refused": []}
        file.write_text("chaos_wrong")
        with open_store() as store:
            store.keep(record(run="later"))
        refused = say(*push)
        assert refused.code != 0
        assert "refuses this token" in refused.err
    with open_store(there) as store:
        assert store.recorded() == [kept.run]
    away = chaosctl("report", "push", "--to", server.url, "--patience", "0.1", CHAOSCTL_TOKEN=str(made["token"]))
    assert away.code == 4
    assert "did not take the runs" in away.err


def test_an_address_that_is_taken_is_told(tmp_path: Path) -> None:
    with serving(f"sqlite:///{tmp_path}/team.db", "--judges", "0") as server:
        port = server.url.rpartition(":")[2]
        said = chaosctl("serve", "--port", port, "--store", f"sqlite:///{tmp_path}/other.db")
    assert said.code == 4
    assert re.search(rf"127\.0\.0\.1 port {port} cannot be listened on: Address already in use", said.err)


def test_a_store_is_copied_byte_for_byte_and_again_without_doing_anything(
    say: Speaker, kept: Record, tmp_path: Path
) -> None:
    there = f"sqlite:///{tmp_path}/other.db"
    assert re.match(r"1 run looked at, 1 of them new", say("report", "copy", "--to", there).out)
    assert re.match(r"1 run looked at, 0 of them new", say("report", "copy", "--to", there).out)
    with open_store() as one, open_store(there) as other:
        assert other.content(kept.run) == one.content(kept.run)


def test_pruning_is_told_first_done_then_and_spares_what_is_pinned(say: Speaker, kept: Record) -> None:
    prune = "report", "prune"
    assert "Would remove" in say(*prune, "--dry-run").out
    assert say("report", "pin", kept.run, "--reason", "the outage of March").code == 0
    assert "1 pinned run of that age stays whole." in say(*prune).out
    assert say("report", "show", kept.run).code == 0, "it is pinned"
    assert "subject to its age again" in say("report", "unpin", kept.run).out
    assert "0 pinned runs of that age stay whole." in say(*prune).out
    gone = say("report", "show", kept.run)
    assert gone.code == 2
    assert "were pruned because of their age; a roll-up of it remains" in gone.err


def test_tables_go_back_for_an_older_version_and_come_forward_again(say: Speaker, kept: Record) -> None:
    assert "The store has revision 0001." in say("report", "migrate", "--to", "0001").out
    assert say("report", "show", kept.run).code == 0
    with sqlite3.connect(resolved("").removeprefix("sqlite:///")) as raw:
        assert raw.execute("SELECT version_num FROM alembic_version").fetchall() == [(REVISION,)]
    assert say("report", "migrate", "--to", "0815").code == 2


def test_what_waits_in_the_spool_is_copied_too(say: Speaker, tmp_path: Path) -> None:
    there = f"sqlite:///{tmp_path}/other.db"
    spool.put(record(run="waiting"))
    assert re.match(r"1 run looked at, 1 of them new", say("report", "copy", "--to", there).out)
    with open_store(there) as other:
        assert other.recorded() == ["waiting"]


def test_a_pin_without_a_reason_is_refused(say: Speaker, kept: Record) -> None:
    said = say("report", "pin", kept.run, "--reason", " ")
    assert (said.code, said.out) == (2, "")
    assert "--reason says nothing" in said.err
    say("report", "prune")
    assert say("report", "show", kept.run).code == 2, "it was pruned"


def test_files_that_serve_no_https_are_told_before_anything_is_served(say: Speaker, tmp_path: Path) -> None:
    torn = tmp_path / "cert.pem"
    torn.write_text("no certificate")
    for given, told in {
        ("--tls-cert", "/nosuch"): "the certificate /nosuch and the key /nosuch: No such file",
        ("--tls-cert", str(torn)): f"the certificate {torn} and the key {torn}",
        ("--tls-key", "/nosuch"): "--tls-key is the key of a certificate",
    }.items():
        said = say("serve", "--port", "0", *given)
        assert (said.code, told in said.err, "Serving" in said.err) == (2, True, False), said
