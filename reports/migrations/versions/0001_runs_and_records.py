"""Runs, their records, and the faults in them."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the first tables."""
    op.create_table(
        "runs",
        sa.Column("run", sa.String, primary_key=True),
        sa.Column("title", sa.String, nullable=False),
        sa.Column("path", sa.String, nullable=False),
        sa.Column("experiment_hash", sa.String, nullable=False),
        sa.Column("environment", sa.String, nullable=False),
        sa.Column("user", sa.String, nullable=False),
        sa.Column("host", sa.String, nullable=False),
        sa.Column("started", sa.Float, nullable=False),
        sa.Column("ended", sa.Float),
        comment="one row a run, written before anything happens; `ended` is null until its record is there",
    )
    op.create_index("runs_started", "runs", ["started"])
    op.create_index("runs_experiment", "runs", ["experiment_hash", "started"])
    op.create_table(
        "records",
        sa.Column("address", sa.String(64), primary_key=True),
        sa.Column("run", sa.String, sa.ForeignKey("runs.run"), nullable=False, unique=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("service", sa.String, nullable=False),
        sa.Column("verdict", sa.String, nullable=False),
        sa.Column("exit_code", sa.Integer, nullable=False),
        sa.Column("score", sa.Float),
        sa.Column("formula", sa.String, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        comment="immutable: `address` is the SHA-256 of the canonical JSON, `body` that JSON compressed with zlib",
    )
    op.create_index("records_service", "records", ["service"])
    op.create_table(
        "record_faults",
        sa.Column("address", sa.String(64), sa.ForeignKey("records.address"), primary_key=True),
        sa.Column("fault", sa.String, primary_key=True),
    )
    op.create_index("record_faults_fault", "record_faults", ["fault"])


def downgrade() -> None:
    """Leave nothing: this takes every run with it."""
    for table in ("record_faults", "records", "runs"):
        op.drop_table(table)
