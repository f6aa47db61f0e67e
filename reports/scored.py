"""The runs of a store as scores over several runs need them."""

from typing import TYPE_CHECKING

from reports.history import RunSummary

if TYPE_CHECKING:
    from reports.store import Store

__all__ = ["summaries"]


def summaries(store: "Store") -> list[RunSummary]:
    """Return what cells, services and trends are computed from; raises Unreachable where the store does not answer."""
    return [RunSummary.of(store.record(run)) for run in store.recorded()]
