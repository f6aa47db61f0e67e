"""A number for each cell that is raised with every change to its runs, so that what was computed of them is kept."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the number."""
    op.add_column("cells", sa.Column("changed", sa.Integer, nullable=False, server_default="0"))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("cells", "changed")
