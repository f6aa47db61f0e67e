"""Records that wait to be judged, and the service of a run beside its time, in the order lists have."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add them, and fill in the services of the records there are."""
    op.add_column("runs", sa.Column("service", sa.String))
    op.execute("UPDATE runs SET service = (SELECT service FROM records WHERE records.run = runs.run)")
    op.create_index("runs_service", "runs", ["service", "started", "run"])
    op.drop_index("records_service", "records")
    op.create_table(
        "pending",
        sa.Column("run", sa.String, primary_key=True),  # no foreign key: to check and lock it costs as much as the row
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("service", sa.String, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        comment="records that are valid, acknowledged and not judged yet: their bytes as they came, with their SHA-256",
    )
    op.create_index("pending_service", "pending", ["service"])
    if op.get_bind().dialect.name == "postgresql":
        # A row lives for seconds: in its table as it is, it is written once, and not in pieces elsewhere.
        op.execute("ALTER TABLE pending ALTER COLUMN body SET STORAGE MAIN")
        op.execute("ALTER TABLE pending SET (toast_tuple_target = 8160)")


def downgrade() -> None:
    """Take them away; what waited was judged before."""
    op.drop_table("pending")
    op.create_index("records_service", "records", ["service"])
    op.drop_index("runs_service", "runs")
    op.drop_column("runs", "service")
