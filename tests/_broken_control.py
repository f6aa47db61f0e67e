"""The control with a bug of ours in the step before the method."""

from runner.control import (
    after_activity_control,
    after_method_control,
    before_activity_control,
    before_experiment_control,
    before_method_control,
    before_rollback_control,
    configure_control,
)
from runner.run import Run

__all__ = [
    "after_activity_control",
    "after_method_control",
    "before_activity_control",
    "before_experiment_control",
    "before_method_control",
    "before_rollback_control",
    "configure_control",
]


def _broken(self: Run) -> None:
    raise KeyError("nobody thought of this")


Run.wait_for_baseline = _broken  # type: ignore[method-assign]
