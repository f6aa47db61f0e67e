"""What a run tells while it goes: lines for people, or events for the live view of `chaosctl run`."""

import json
import logging
import os
import threading
from contextlib import suppress
from typing import Any

from runner.model import clock

__all__ = ["EVENTS", "SOURCE", "tell", "told"]

EVENTS = "CHAOSCTL_EVENTS_FD"
"""The environment variable that names the descriptor on which the live view listens."""

SOURCE = "CHAOSCTL_EXPERIMENT"
"""The environment variable that names the experiment's own file where Chaos Toolkit was given a copy."""

told: list[dict[str, Any]] = []
"""All that was told with a sentence, in the shape of reports.record.Event: the timeline of this process's run."""

_ONE_AT_A_TIME = threading.RLock()
_LOG = logging.getLogger("chaostoolkit")


def tell(what: str, sentence: str = "", **data: Any) -> None:
    """Say that something happened: one JSON line to the live view where one listens, else one line in the log."""
    now = clock()
    if sentence:
        told.append({"at": now, "what": what, "detail": sentence})
    if descriptor := os.environ.get(EVENTS):
        line = json.dumps({"at": now, "what": what, "sentence": sentence, **data}) + "\n"
        with suppress(BrokenPipeError), _ONE_AT_A_TIME:  # the view was closed; the run goes on
            rest = line.encode()
            while rest:  # a signal may cut a long line short
                rest = rest[os.write(int(descriptor), rest) :]
    elif sentence:
        _LOG.info("%s: %s", what, sentence)
