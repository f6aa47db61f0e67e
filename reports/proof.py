"""The proof of a fault, told: what independent looks saw before, during and after it, at each target."""

import re
import textwrap
from collections.abc import Iterable, Sequence

from reports.record import FaultRecord, LookRecord, TargetRecord
from reports.validity import target_gap
from reports.words import after_start, counted, listed, printable
from runner.model import Sight

__all__ = ["proof_lines"]

_COLUMNS = 76
_FEW = 3
_PHASES = "before", "during", "after"
_ENDED = {
    "deadline": "ended by its deadline",
    "undone": "undone before its deadline",
    "gone": "its target was no more",
    "unknown": "nobody saw how",
}


def proof_lines(fault: FaultRecord, start: float) -> list[str]:
    """Return the looks at each target; where there are many, those that are alike stand as one."""
    targets = sorted(fault.targets, key=lambda target: target.target)
    groups = [[target] for target in targets] if len(targets) <= _FEW else _alike(targets)
    return [printable(line) for group in groups for line in _block(group, start)]


def _alike(targets: Sequence[TargetRecord]) -> list[list[TargetRecord]]:
    """Return the targets in groups to which the same happened, the largest first."""
    groups: dict[tuple[object, ...], list[TargetRecord]] = {}
    for target in targets:
        met = None if target.hits is None else target.hits > 0
        sights = tuple(look.sight if look else None for look in _told(target))
        gap = target_gap(target)
        key = (re.sub(r"\d+", "#", gap.what if gap else ""), sights, target.ended_how, met)
        groups.setdefault(key, []).append(target)
    return sorted(groups.values(), key=lambda group: -len(group))


def _block(group: Sequence[TargetRecord], start: float) -> list[str]:
    names = [target.target for target in group]
    title = names[0] if len(names) == 1 else f"{len(names)} targets: {listed(names)}"
    looks = [[look for target in group if (look := _told(target)[number])] for number in range(len(_PHASES))]
    rows = [
        line for phase, seen in zip(_PHASES, looks, strict=True) if seen for line in _look_lines(phase, seen, start)
    ]
    gap = target_gap(group[0])
    return [
        *_wrapped(title, ""),
        *rows,
        *_wrapped(_course(group, start), "  "),
        *_wrapped(_met(group), "  "),
        *(_wrapped(f"not proven: {gap.what}", "  ") if gap else []),
    ]


def _told(target: TargetRecord) -> tuple[LookRecord | None, ...]:
    """Return the look of each phase that tells most: the first that saw the effect, and the last before and after."""
    before, during, after = (
        sorted((look for look in target.looks if look.phase == phase), key=lambda look: look.asked) for phase in _PHASES
    )
    present = [look for look in during if look.sight is Sight.PRESENT]
    return tuple(looks[0] if looks else None for looks in (before[-1:], present or during[-1:], after[-1:]))


def _look_lines(phase: str, looks: Sequence[LookRecord], start: float) -> list[str]:
    when = _span((look.answered for look in looks), start)
    lead = f"  {phase:<6}  {looks[0].sight.value:<7}  {when:<16}  "
    return textwrap.wrap(looks[0].detail or "-", _COLUMNS, initial_indent=lead, subsequent_indent=" " * len(lead))


def _course(group: Sequence[TargetRecord], start: float) -> str:
    committed = [target.committed for target in group if target.committed is not None]
    ended = [target.ended for target in group if target.ended is not None]
    if not committed:
        return "never in place"
    over = f"until {_span(ended, start)}, {_ENDED[group[0].ended_how]}" if ended else "on; nobody saw it end"
    return f"in place from {_span(committed, start)} {over}"


def _met(group: Sequence[TargetRecord]) -> str:
    hits = [target.hits for target in group if target.hits is not None]
    return f"met by the workload {counted(sum(hits), 'time')}" if hits else "whether the workload met it is not known"


def _span(moments: Iterable[float], start: float) -> str:
    told = [after_start(moment, start) for moment in sorted(moments)]
    return told[0] if told[0] == told[-1] else f"{told[0]} to {told[-1]}"


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, _COLUMNS, initial_indent=indent, subsequent_indent=f"{indent}  ")
