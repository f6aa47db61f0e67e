"""The tables of the store, on SQLite and PostgreSQL alike; a change here comes with a migration and a new REVISION."""

from sqlalchemy import Boolean, Column, Float, ForeignKey, Index, Integer, LargeBinary, MetaData, String, Table

__all__ = [
    "REVISION",
    "answers",
    "audit",
    "bodies",
    "cells",
    "deliveries",
    "metadata",
    "pending",
    "records",
    "results",
    "rollups",
    "runs",
    "standings",
    "tokens",
]

REVISION = "0005"

metadata = MetaData()

runs = Table(
    "runs",
    metadata,
    Column("run", String, primary_key=True),
    Column("title", String, nullable=False),
    Column("path", String, nullable=False),
    Column("experiment_hash", String, nullable=False),
    Column("environment", String, nullable=False),
    Column("user", String, nullable=False),
    Column("host", String, nullable=False),
    Column("started", Float, nullable=False),
    Column("ended", Float),
    Column("project", String, nullable=False, server_default=""),
    Column("pinned", String),
    Column("service", String),
    Index("runs_started", "started", "run"),
    Index("runs_project", "project", "started", "run"),
    Index("runs_service", "service", "started", "run"),
    Index("runs_experiment", "experiment_hash", "started"),
    comment="one row a run, written before anything happens; `ended` is null until its record is there",
)

records = Table(
    "records",
    metadata,
    Column("address", String(64), primary_key=True),
    Column("run", String, ForeignKey("runs.run"), nullable=False, unique=True),
    Column("kind", String, nullable=False),
    Column("service", String, nullable=False),
    Column("verdict", String, nullable=False),
    Column("exit_code", Integer, nullable=False),
    Column("score", Float),
    Column("formula", String, nullable=False),
    comment="what came of a run, immutable: `address` is the SHA-256 of the canonical JSON of its record",
)

pending = Table(
    "pending",
    metadata,
    Column("run", String, primary_key=True),
    Column("address", String(64), nullable=False),
    Column("service", String, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("pending_service", "service"),
    comment="records that are valid, acknowledged and not judged yet: their bytes as they came, with their SHA-256",
)

bodies = Table(
    "bodies",
    metadata,
    Column("address", String(64), ForeignKey("records.address"), primary_key=True),
    Column("body", LargeBinary, nullable=False),
    comment="the canonical JSON, compressed with zlib: content-addressed, never altered, pruned first",
)

rollups = Table(
    "rollups",
    metadata,
    Column("address", String(64), ForeignKey("records.address"), primary_key=True),
    Column("made", Float, nullable=False),
    Column("body", LargeBinary, nullable=False),
    comment="what is kept of a record whose samples were pruned: the same JSON with each series summed up",
)

results = Table(
    "results",
    metadata,
    Column("run", String, ForeignKey("runs.run"), primary_key=True),
    Column("fault", String, primary_key=True),
    Column("project", String, nullable=False),
    Column("environment", String, nullable=False),
    Column("service", String, nullable=False),
    Column("experiment", String, nullable=False),
    Column("experiment_hash", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("started", Float, nullable=False),
    Column("verdict", String, nullable=False),
    Column("exit_code", Integer, nullable=False),
    Column("valid", Boolean, nullable=False),
    Column("score", Float),
    Column("absorbed", Float),
    Column("recovered", Float),
    Column("bad_share", Float),
    Column("tolerated", Float, nullable=False),
    Column("recovery_time", Float),
    Column("recovery_resolution", Float),
    Column("required", Boolean, nullable=False),
    Column("weight", Float, nullable=False),
    Column("objective", Float, nullable=False),
    Column("formula", String, nullable=False),
    Column("reason", String, nullable=False),
    Index("results_cell", "service", "fault", "started"),
    comment="one row for each fault of a run: what cells, services and trends are computed from",
)

cells = Table(
    "cells",
    metadata,
    Column("service", String, primary_key=True),
    Column("fault", String, primary_key=True),
    Column("environment", String, primary_key=True),
    Column("project", String, primary_key=True),
    Column("changed", Integer, nullable=False, server_default="0"),
    comment="every service x fault that ever ran; it stays when its runs are pruned, and is then stale",
)

standings = Table(
    "standings",
    metadata,
    Column("service", String, primary_key=True),
    Column("fault", String, primary_key=True),
    Column("environment", String, primary_key=True),
    Column("seen", String, primary_key=True),
    Column("formula", String, nullable=False),
    Column("until", Float, nullable=False),
    Column("told", String, nullable=False),
    comment="how a cell stood when it was last computed, for all projects or one; it says whether it still does",
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", String, primary_key=True),
    Column("secret_hash", String(64), nullable=False),
    Column("scopes", String, nullable=False),
    Column("project", String, nullable=False),
    Column("note", String, nullable=False),
    Column("made_by", String, nullable=False),
    Column("made", Float, nullable=False),
    Column("expires", Float, nullable=False),
    Column("revoked", Float),
    comment="who may use the API; of the secret only its SHA-256 is kept",
)

answers = Table(
    "answers",
    metadata,
    Column("token", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("request_hash", String(64), nullable=False),
    Column("status", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("made", Float, nullable=False),
    Index("answers_made", "made"),
    comment="what was answered to an Idempotency-Key, committed with what it answered for",
)

audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at", Float, nullable=False),
    Column("who", String, nullable=False),
    Column("project", String, nullable=False),
    Column("origin", String, nullable=False),
    Column("action", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("outcome", String, nullable=False),
    Index("audit_at", "at"),
    comment="every write through the API, and every token made or revoked; written with it in one transaction",
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("run", String, ForeignKey("runs.run"), primary_key=True),
    Column("place", String, primary_key=True),
    Column("at", Float, nullable=False),
    comment="which runs an ingestion API has confirmed, so that `report push --to` sends each once",
)
