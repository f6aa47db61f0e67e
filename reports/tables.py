"""The tables of the store; a change here comes with a migration and another REVISION."""

from sqlalchemy import Column, Float, ForeignKey, Index, Integer, LargeBinary, MetaData, String, Table

__all__ = ["REVISION", "metadata", "record_faults", "records", "runs"]

REVISION = "0001"

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
    Index("runs_started", "started"),
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
    Column("body", LargeBinary, nullable=False),
    Index("records_service", "service"),
    comment="immutable: `address` is the SHA-256 of the canonical JSON, `body` that JSON compressed with zlib",
)

record_faults = Table(
    "record_faults",
    metadata,
    Column("address", String(64), ForeignKey("records.address"), primary_key=True),
    Column("fault", String, primary_key=True),
    Index("record_faults_fault", "fault"),
)
