"""How cells stand, as it was computed last."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the table; it fills itself."""
    op.create_table(
        "standings",
        *(sa.Column(name, sa.String, primary_key=True) for name in ("service", "fault", "environment", "seen")),
        sa.Column("formula", sa.String, nullable=False),
        sa.Column("until", sa.Float, nullable=False),
        sa.Column("told", sa.String, nullable=False),
        comment="how a cell stood when it was last computed, for all projects or one; it says whether it still does",
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("standings")
