"""What the client sends of a store of which not everything can be sent."""

from pathlib import Path

from sqlalchemy import select, update

from reports import client
from reports.connect import writing
from reports.store import open_store
from reports.tables import bodies, records
from tests.reports._records import record
from tests.reports._serving import serving, token


def test_a_damaged_record_is_named_and_keeps_no_other_from_being_sent(tmp_path: Path) -> None:
    there = f"sqlite:///{tmp_path}/team.db"
    with open_store() as ours, serving(there, "--judges", "0") as server:
        for name in ("a", "b", "c"):
            ours.keep(record(run=name))
        with writing(ours.engine) as connection:
            address = connection.scalar(select(records.c.address).where(records.c.run == "b"))
            connection.execute(update(bodies).where(bodies.c.address == address).values(body=b"torn"))
        sent = client.send(ours, server.url, token(there))
        assert (sent.stored, len(sent.refused)) == (2, 1)
        assert "The record of run b cannot be read" in sent.refused[0]
    with open_store(there) as theirs:
        assert theirs.recorded() == ["a", "c"]
