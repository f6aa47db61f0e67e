"""Bodies apart from records, results for cells, projects, pins, and what the ingestion API needs."""

import json
import zlib
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_BATCH = 500
_BEFORE = "immutable: `address` is the SHA-256 of the canonical JSON, `body` that JSON compressed with zlib"
_NOW = "what came of a run, immutable: `address` is the SHA-256 of the canonical JSON of its record"


def upgrade() -> None:
    """Add the tables, fill them from the records there are, and drop what they replace."""
    _add_tables()
    _add_api_tables()
    op.add_column("runs", sa.Column("project", sa.String, nullable=False, server_default=""))
    op.add_column("runs", sa.Column("pinned", sa.String))
    op.drop_index("runs_started", "runs")
    op.create_index("runs_started", "runs", ["started", "run"])
    op.create_index("runs_project", "runs", ["project", "started", "run"])
    _fill()
    op.drop_table("record_faults")
    op.drop_column("records", "body")
    if op.get_bind().dialect.name == "postgresql":
        op.create_table_comment("records", _NOW)
        # They are compressed already: without this PostgreSQL tries again at every insert.
        op.execute("ALTER TABLE bodies ALTER COLUMN body SET STORAGE EXTERNAL")
        op.execute("ALTER TABLE rollups ALTER COLUMN body SET STORAGE EXTERNAL")


def downgrade() -> None:
    """Put bodies back; one that was pruned is empty, and the older version says that it cannot read it."""
    connection = op.get_bind()
    op.create_table(
        "record_faults",
        sa.Column("address", sa.String(64), sa.ForeignKey("records.address"), primary_key=True),
        sa.Column("fault", sa.String, primary_key=True),
    )
    op.create_index("record_faults_fault", "record_faults", ["fault"])
    empty = sa.text("x''" if connection.dialect.name == "sqlite" else "''::bytea")
    op.add_column("records", sa.Column("body", sa.LargeBinary, nullable=False, server_default=empty))
    connection.execute(
        sa.text(
            "INSERT INTO record_faults (address, fault) SELECT records.address, results.fault "
            "FROM results JOIN records ON records.run = results.run"
        )
    )
    connection.execute(
        sa.text(
            "UPDATE records SET body = (SELECT body FROM bodies WHERE bodies.address = records.address) "
            "WHERE address IN (SELECT address FROM bodies)"
        )
    )
    for table in ("deliveries", "audit", "answers", "tokens", "cells", "results", "rollups", "bodies"):
        op.drop_table(table)
    if connection.dialect.name == "postgresql":
        op.create_table_comment("records", _BEFORE)
    op.drop_index("runs_project", "runs")
    op.drop_index("runs_started", "runs")
    op.create_index("runs_started", "runs", ["started"])
    op.drop_column("runs", "pinned")
    op.drop_column("runs", "project")


def _add_tables() -> None:
    op.create_table(
        "bodies",
        sa.Column("address", sa.String(64), sa.ForeignKey("records.address"), primary_key=True),
        sa.Column("body", sa.LargeBinary, nullable=False),
        comment="the canonical JSON, compressed with zlib: content-addressed, never altered, pruned first",
    )
    op.create_table(
        "rollups",
        sa.Column("address", sa.String(64), sa.ForeignKey("records.address"), primary_key=True),
        sa.Column("made", sa.Float, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        comment="what is kept of a record whose samples were pruned: the same JSON with each series summed up",
    )
    op.create_table(
        "results",
        sa.Column("run", sa.String, sa.ForeignKey("runs.run"), primary_key=True),
        sa.Column("fault", sa.String, primary_key=True),
        *(sa.Column(name, sa.String, nullable=False) for name in ("project", "environment", "service")),
        *(sa.Column(name, sa.String, nullable=False) for name in ("experiment", "experiment_hash", "kind")),
        sa.Column("started", sa.Float, nullable=False),
        sa.Column("verdict", sa.String, nullable=False),
        sa.Column("exit_code", sa.Integer, nullable=False),
        sa.Column("valid", sa.Boolean, nullable=False),
        *(sa.Column(name, sa.Float) for name in ("score", "absorbed", "recovered", "bad_share")),
        sa.Column("tolerated", sa.Float, nullable=False),
        *(sa.Column(name, sa.Float) for name in ("recovery_time", "recovery_resolution")),
        sa.Column("required", sa.Boolean, nullable=False),
        sa.Column("weight", sa.Float, nullable=False),
        sa.Column("objective", sa.Float, nullable=False),
        sa.Column("formula", sa.String, nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        comment="one row for each fault of a run: what cells, services and trends are computed from",
    )
    op.create_index("results_cell", "results", ["service", "fault", "started"])
    op.create_table(
        "cells",
        *(sa.Column(name, sa.String, primary_key=True) for name in ("service", "fault", "environment", "project")),
        comment="every service x fault that ever ran; it stays when its runs are pruned, and is then stale",
    )


def _add_api_tables() -> None:
    op.create_table(
        "tokens",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("secret_hash", sa.String(64), nullable=False),
        *(sa.Column(name, sa.String, nullable=False) for name in ("scopes", "project", "note", "made_by")),
        *(sa.Column(name, sa.Float, nullable=False) for name in ("made", "expires")),
        sa.Column("revoked", sa.Float),
        comment="who may use the API; of the secret only its SHA-256 is kept",
    )
    op.create_table(
        "answers",
        sa.Column("token", sa.String, primary_key=True),
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("request_hash", sa.String(64), nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("made", sa.Float, nullable=False),
        comment="what was answered to an Idempotency-Key, committed with what it answered for",
    )
    op.create_index("answers_made", "answers", ["made"])
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("at", sa.Float, nullable=False),
        *(sa.Column(name, sa.String, nullable=False) for name in ("who", "project", "origin")),
        *(sa.Column(name, sa.String, nullable=False) for name in ("action", "subject", "outcome")),
        comment="every write through the API, and every token made or revoked; written with it in one transaction",
    )
    op.create_index("audit_at", "audit", ["at"])
    op.create_table(
        "deliveries",
        sa.Column("run", sa.String, sa.ForeignKey("runs.run"), primary_key=True),
        sa.Column("place", sa.String, primary_key=True),
        sa.Column("at", sa.Float, nullable=False),
        comment="which runs an ingestion API has confirmed, so that `report push --to` sends each once",
    )


def _fill() -> None:
    connection = op.get_bind()
    connection.execute(sa.text("INSERT INTO bodies (address, body) SELECT address, body FROM records"))
    results = sa.table("results", *(sa.column(name) for name in _RESULT))
    found = connection.execute(sa.text("SELECT body FROM records ORDER BY run"))
    while batch := found.fetchmany(_BATCH):
        if rows := [row for (body,) in batch for row in _results(body)]:
            connection.execute(sa.insert(results), rows)
    connection.execute(
        sa.text(
            "INSERT INTO cells (service, fault, environment, project) "
            "SELECT DISTINCT service, fault, environment, project FROM results WHERE service <> ''"
        )
    )


_RESULT = (
    *("run", "fault", "project", "environment", "service", "experiment", "experiment_hash", "kind", "started"),
    *("verdict", "exit_code", "valid", "score", "absorbed", "recovered", "bad_share", "recovery_time", "required"),
    *("tolerated", "recovery_resolution"),
    *("weight", "objective", "formula", "reason"),
)


def _results(body: bytes) -> list[dict[str, Any]]:
    """Return a row for each fault, by what a record of schema 1 holds; one that is damaged keeps its row in records."""
    try:
        record = json.loads(zlib.decompress(body))
    except (zlib.error, ValueError):
        return []
    judged, promise = record["judgement"], record["promise"]
    row = {
        "run": record["run"],
        "project": "",
        "environment": record["origin"]["environment"],
        "service": promise["service"],
        "experiment": record["experiment"]["path"] or record["experiment"]["title"],
        "experiment_hash": record["experiment"]["hash"],
        "kind": record["kind"],
        **{name: judged[name] for name in ("recovery_time", "recovery_resolution", "exit_code")},
        "tolerated": promise["tolerated"] or min(1.0, 10 * (1 - promise["slo"] / 100)),
        "started": record["started"],
        "valid": judged["score"] is not None,
        "reason": judged["reasons"][0] if judged["reasons"] else "",
        **{name: promise[name] for name in ("required", "weight", "objective")},
        **{name: judged[name] for name in ("verdict", "score", "absorbed", "recovered", "bad_share", "formula")},
    }
    return [row | {"fault": fault} for fault in sorted({fault["name"] for fault in record["faults"]})]
