"""Requests to TCP ports that are late at a target: held back in windows that make a quantile, or each by netem.

What is held back stays in its sender's queue, and the next request pushes all of it out when a window closes.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from actions import _diversion, _nft, _tc
from actions._diversion import Diversion
from actions._windows import Windows
from runner import tables
from runner.errors import Missing, UsageError
from runner.fault import Stage, Try
from runner.model import OWN_PRIORITY, PROBE_PORTS, Command, Steps, clock, format_duration

__all__ = ["EVERY", "OWN", "Stalls", "delayed", "lasts", "patience", "pulse", "refuse", "told", "tries"]

OWN = f"meta priority 0:{OWN_PRIORITY:x}"
"""The match of what chaosctl itself says to a cluster, which is never held back."""

EVERY = "Engine: netem, as always without a percentile. All requests are late, and new connections too."
"""What is noted where there are no windows."""

_ENOUGH = 0.001


@dataclass(frozen=True)
class Stalls:
    """What is held back in windows: packets to `ports`, at those `ends` only, matches of nft of which one is enough."""

    ports: tuple[int, ...]
    ends: tuple[str, ...] = ("",)

    def steps(self, fault: str, fault_id: str, seconds: float, notes: Iterable[str]) -> Steps:
        """Return the table in which nothing is held back until a window opens."""
        comment = tables.comment(fault, clock() + seconds)
        return Steps(
            inject=(_nft.load(_nft.ruleset(fault_id, comment, self.rules(seconds))),),
            undo=(tables.undo(fault_id),),
            checks=(tables.check(fault_id),),
            count=tables.count(fault_id),
            notes=tuple(notes),
        )

    def window(self, fault_id: str, width: float) -> Command:
        """Return the command that opens a window of so many seconds; the kernel closes it."""
        elements = self._elements(width)
        return Command(("nft", "-f", "-"), f"add element inet {tables.table(fault_id)} held {{ {elements} }}\n")

    def rules(self, seconds: float) -> Iterator[str]:
        """Yield the inside of the table; handshakes pass, so that no connection waits for TCP to try them again."""
        yield "counter workload { }"
        yield "counter probes { }"
        yield f"set armed {{ type inet_service; flags timeout; elements = {{ {self._elements(seconds)} }} }}"
        yield "set held { type inet_service; flags timeout; }"
        yield from ("chain tally {", f"tcp sport {PROBE_PORTS[0]}-{PROBE_PORTS[-1]} counter name probes return")
        yield from ("counter name workload", "}")
        yield from ("chain hold {", "jump tally", "drop", "}")
        yield from ("chain output {", "type filter hook output priority -150; policy accept;", f"{OWN} accept")
        for end in self.ends:
            yield f"{end} tcp dport @armed tcp dport @held tcp flags & syn == 0 jump hold".lstrip()
        yield "}"

    def _elements(self, seconds: float) -> str:
        return ", ".join(f"{port} timeout {_nft.timeout(seconds)}" for port in self.ports)


def pulse(windows: Windows, stage: Stage, opened: Callable[[float], Command]) -> None:
    """Open a window in every period, and correct its width by what was measured so far; `opened` is how."""
    total = windows.number(stage.deadline - stage.committed)
    period = (stage.deadline - stage.committed) / total
    correction = owed = 0.0
    for number in range(total):
        begin = stage.committed + number * period
        if stage.over.wait(max(0.0, begin - clock())):
            return
        if number and stage.watcher:
            correction = windows.corrected(correction, owed, stage.watcher.measured(begin - period, begin))
            owed = windows.owed(stage.watcher.measured(stage.committed, begin), number, total - number)
        width = min(windows.width(period) + correction + owed, 0.9 * period, stage.deadline - clock())
        if width > 0:
            stage.at.run(opened(width))


def delayed(made: Diversion, fault_id: str, seconds: float, notes: Iterable[str]) -> Steps:
    """Return the steps of a diversion that delays; raises Missing, which says what can be had without netem."""
    try:
        return made.steps(fault_id, seconds, notes)
    except Missing as missing:
        if not made.windows:
            missing.fix += " Or ask for a percentile, which windows make without netem: --percentile=99."
        raise


def tries() -> tuple[Try, ...]:
    """Return what shows whether a kernel can delay every request."""
    return tuple(replace(each, only="without --percentile") for each in _diversion.tries(_tc.delay(0.001)))


def patience(windows: Windows | None, latency: float) -> float:
    """Return how long a look waits for a slow request.

    A first window may be over before anybody can look: the cluster's own ledger waits for it too.
    """
    return 10.0 + 3 * latency + (windows.shortest_period if windows else 0.0)


def lasts(windows: Windows | None, seconds: float) -> float:
    """Return so many seconds, or the next half minute in which the percentile can be had."""
    if windows is None or windows.shortest <= seconds:
        return seconds
    return float(-(-windows.shortest // 30) * 30)


def refuse(windows: Windows | None, late: float, seconds: float) -> None:
    """Raise UsageError where so many seconds are too short; without windows requests are `late` by as many at most."""
    least = 1 + 3 * late
    if windows is None and seconds < least:
        raise UsageError(
            f"A latency of {format_duration(late)} does not show within {format_duration(seconds)}.",
            f"Ask for a duration of at least {format_duration(math.ceil(least))}.",
        )
    if windows and seconds < windows.shortest - _ENOUGH:
        raise UsageError(*windows.too_short(seconds))


def told(windows: Windows, seconds: float, how: str) -> str:
    """Return how often requests are held back and for how long, in words."""
    number, period = windows.number(seconds), format_duration(windows.period(seconds))
    return (
        f"{number} times, every {period}, all requests are {how} for about "
        f"{format_duration(windows.silence(seconds))}: a burst stall, reads and watches included."
    )
