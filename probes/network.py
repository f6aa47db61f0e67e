"""Packets between a target and others, watched from where the target is: the proof of the faults network-*.

Each look makes exchanges of its own (probes._exchange) with a witness, the same ones before, during and after, and with
a control that the fault must leave alone. Nothing here knows how a fault does what it does.

`where` says by which ways: `ways` holds, for each address of the witness, those to try, the first that works counts;
`control` those of a control that must work, and without one `neighbours` those of others that may.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any, NamedTuple

from probes._exchange import BATCH, Answer, Way, exchange
from runner.model import Look, Sight, clock, format_duration, format_rate
from runner.sequential import ShareTest
from runner.targets import Target

__all__ = ["cut", "delayed", "doubled", "limited", "lost", "reordered"]

_FIRST_PATIENCE = 0.9
"""Seconds a first answer is waited for: TCP sends its own request again after one."""

_SHORTEST_PATIENCE = 0.2
_LOOK_LIMIT = 10.0
_TIMED = 11
_GAP = 0.002

Figures = Mapping[str, Any]


class _Seen(NamedTuple):
    """What one way showed, in words, and the figures that later looks are held against."""

    sight: Sight
    words: str
    figures: Figures


Judge = Callable[[Way, Figures | None], _Seen]
"""Judges one way by what it was before the fault; without that, whether it is fit to show the fault at all."""


def delayed(at: Target, before: Look | None, where: Figures, seconds: float) -> Look:
    """Return what exchanges show of a delay that makes each of them `seconds` longer.

    PRESENT when their median has grown by at least half of that and at most twice, ABSENT when by less than a quarter.
    """
    return _look(before, where, lambda way, was: _timed(at, way, was, seconds))


def lost(at: Target, before: Look | None, where: Figures, share: float, correlation: float) -> Look:
    """Return what exchanges show of a loss that leaves a share of them, from 0 to 1, without an answer."""
    test = ShareTest(share, correlation)

    def lose(way: Way, was: Figures | None) -> _Seen:
        patience = _patience(was)
        return _counted(way, was, test, _LOST, lambda number: exchange(at, way, number, _GAP, patience))

    return _look(before, where, lose)


def doubled(at: Target, before: Look | None, where: Figures, share: float) -> Look:
    """Return what exchanges show of packets sent twice: a share of answers that come more often than before."""

    def double(way: Way, was: Figures | None) -> _Seen:
        patience = _patience(was)
        linger = patience / 10

        def copied(answers: Sequence[Answer]) -> list[bool]:
            copies = [answer.copies for answer in answers if answer.copies]
            usual = was["copies"] if was else statistics.mode(copies or [1])
            return [number > usual for number in copies]

        return _counted(
            way,
            was,
            ShareTest(share),
            ("were answered twice", copied),
            lambda number: exchange(at, way, number, _GAP, patience, linger=linger),
        )

    return _look(before, where, double)


def reordered(at: Target, before: Look | None, where: Figures, share: float, seconds: float) -> Look:
    """Return what exchanges show of a reordering: a share of them overtakes others, which are `seconds` later.

    They follow each other so closely that each one that is not held back overtakes those that are.
    """
    gap = seconds / 2 / BATCH

    def reorder(way: Way, was: Figures | None) -> _Seen:
        patience = _patience(was) + seconds
        named = "overtook others", lambda answers: _overtaking(answers, seconds)
        return _counted(way, was, ShareTest(share), named, lambda number: exchange(at, way, number, gap, patience))

    return _look(before, where, reorder)


def limited(at: Target, before: Look | None, where: Figures, rate: float) -> Look:
    """Return what a train of packets shows of a limit, in bits a second: how fast its answers follow each other.

    PRESENT at one and a half times the limit or less, ABSENT at twice or more.
    """
    return _look(before, where, lambda way, was: _train(at, way, was, rate))


def cut(at: Target, before: Look | None, where: Figures) -> Look:
    """Return what exchanges show of a partition: PRESENT when none is answered, ABSENT when all are."""
    return _look(before, where, lambda way, was: _answered(at, way, was))


def _look(before: Look | None, where: Figures, judge: Judge) -> Look:
    """Look by every way that works without the fault."""
    asked = clock()
    seen = _first(where, judge) if before is None else _again(before.evidence, judge)
    return Look(asked, clock(), seen.sight, seen.words, seen.figures)


def _first(where: Figures, judge: Judge) -> _Seen:
    """Find a way to each address that works, and a control that does; addresses that do not answer are left out."""
    tried = [_fit(group, judge) for group in where["ways"]]
    fit = [found for found in tried if found[1].sight is Sight.ABSENT]
    if not fit:
        return _Seen(Sight.UNCLEAR, f"{tried[0][1].words} even without the fault", {})
    neighbours = where["control"] or where["neighbours"]
    control = [_fit(neighbours, judge)] if neighbours else []
    if where["control"] and control[0][1].sight is not Sight.ABSENT:
        return _Seen(Sight.UNCLEAR, f"the control {control[0][1].words} even without the fault", {})
    control = [found for found in control if found[1].sight is Sight.ABSENT]
    words = [seen.words for _, seen in fit] + [f"control: {seen.words}" for _, seen in control]
    return _Seen(Sight.ABSENT, "; ".join(words), {"ways": _kept(fit), "control": _kept(control)})


def _kept(fit: Sequence[tuple[Way, _Seen]]) -> list[Figures]:
    return [{"way": asdict(way), "was": seen.figures} for way, seen in fit]


def _fit(group: Sequence[Figures], judge: Judge) -> tuple[Way, _Seen]:
    """Return the first way that works, or the last that was tried."""
    for written in group:
        way = Way(**written)
        seen = judge(way, None)
        if seen.sight is Sight.ABSENT:
            break
    return way, seen


def _again(evidence: Figures, judge: Judge) -> _Seen:
    watched = [(Way(**part["way"]), part["was"]) for part in (*evidence["ways"], *evidence["control"])]
    with ThreadPoolExecutor(max_workers=len(watched)) as pool:
        seen = list(pool.map(lambda each: judge(*each), watched))
    ways, steady = seen[: len(evidence["ways"])], seen[len(evidence["ways"]) :]
    words = "; ".join([*(one.words for one in ways), *(f"control: {one.words}" for one in steady)])
    if any(one.sight is not Sight.ABSENT for one in steady):
        return _Seen(Sight.UNCLEAR, f"{words}: more than the target is affected", {})
    sights = {one.sight for one in ways}
    return _Seen(sights.pop() if len(sights) == 1 else Sight.UNCLEAR, words, {})


def _timed(at: Target, way: Way, was: Figures | None, seconds: float) -> _Seen:
    answers = exchange(at, way, _TIMED, _GAP, _patience(was) + (seconds if was else 0))
    times = sorted(answer.seconds for answer in answers if answer.seconds is not None)
    if len(times) < _TIMED - 2:
        return _Seen(Sight.UNCLEAR, f"{way} answers {len(times)} of {_TIMED} times", {})
    median, spread = statistics.median(times), times[-3] - times[2]
    words = f"{way} answers in {median * 1000:.1f} ms"
    if was is None:
        if seconds < 2 * spread:
            return _Seen(Sight.UNCLEAR, f"{words}, give or take {spread * 500:.1f} ms, which hides the delay", {})
        return _Seen(Sight.ABSENT, words, {"median": median, "slowest": times[-1]})
    gain = median - was["median"]
    words += f" ({format_duration(abs(gain))} {'longer' if gain > 0 else 'less'})"
    if gain < seconds / 4:
        return _Seen(Sight.ABSENT, words, {})
    return _Seen(Sight.PRESENT if seconds / 2 <= gain <= 2 * seconds else Sight.UNCLEAR, words, {})


_Hits = tuple[str, Callable[[Sequence[Answer]], list[bool]]]
"""What happened to some, in words, and how it is seen in a batch of answers: one truth for each that counts."""

_LOST: _Hits = "got no answer", lambda answers: [answer.seconds is None for answer in answers]


def _counted(
    way: Way, was: Figures | None, test: ShareTest, hit: _Hits, ask: Callable[[int], Sequence[Answer]]
) -> _Seen:
    """Ask in batches until it is decided whether the share of hits is there, for at most ten seconds."""
    named, seen_in = hit
    hits = trials = 0
    answers: list[Answer] = []
    limit = clock() + _LOOK_LIMIT
    while (decided := test.decide(hits, trials)) is None and clock() < limit:
        batch = ask(BATCH)
        truths = seen_in(batch)
        hits, trials = hits + sum(truths), trials + len(truths)
        answers += batch
    words = f"{hits} of {trials} exchanges with {way} {named}"
    times = [answer.seconds for answer in answers if answer.seconds is not None]
    if decided is None or not times:
        return _Seen(Sight.PRESENT if decided else Sight.UNCLEAR, words, {})
    figures = {"slowest": max(times), "copies": statistics.mode(answer.copies for answer in answers if answer.copies)}
    return _Seen(Sight.PRESENT if decided else Sight.ABSENT, words, figures if was is None else {})


def _overtaking(answers: Sequence[Answer], seconds: float) -> list[bool]:
    """Return of each but the first whether it was answered before one that was asked before it."""
    came = [answer for answer in answers if answer.seconds is not None]
    latest = came[0].came if came else 0.0
    truths = []
    for answer in came[1:]:
        truths.append(answer.came < latest - seconds / 4)
        latest = max(latest, answer.came)
    return truths


def _train(at: Target, way: Way, was: Figures | None, rate: float) -> _Seen:
    """Send packets of a fifth of a second, all at once, and take the rate of all but the first few answers."""
    size = max(56, min(1400, round(rate / 8 * 0.02)))
    number = max(8, min(48, round(rate / 8 * 0.2 / way.length(size))))
    taking = number * way.length(size) * 8 / rate
    answers = exchange(at, way, number, 0.0, _patience(was) + taking, size=size)
    came = sorted(answer.came for answer in answers if answer.seconds is not None)
    if len(came) < max(4, number // 2):
        return _Seen(Sight.UNCLEAR, f"{way} answers {len(came)} of {number} packets", {})
    rest = came[len(came) // 4 :]
    measured = (len(rest) - 1) * way.length(size) * 8 / max(rest[-1] - rest[0], 1e-6)
    words = f"{way} answers at {format_rate(measured)} a second"
    if was is None:
        sight = Sight.ABSENT if measured >= 3 * rate else Sight.UNCLEAR
        return _Seen(sight, words, {"slowest": max(answer.seconds or 0.0 for answer in answers)})
    if measured <= 1.5 * rate:
        return _Seen(Sight.PRESENT, words, {})
    return _Seen(Sight.ABSENT if measured >= 2 * rate else Sight.UNCLEAR, words, {})


def _answered(at: Target, way: Way, was: Figures | None) -> _Seen:
    answers = exchange(at, way, _TIMED, _GAP, _patience(was))
    times = [answer.seconds for answer in answers if answer.seconds is not None]
    words = f"{way} answers {len(times) or 'none'} of {_TIMED} times"
    if len(times) == _TIMED:
        return _Seen(Sight.ABSENT, words, {"slowest": max(times)} if was is None else {})
    return _Seen(Sight.UNCLEAR if times or was is None else Sight.PRESENT, words, {})


def _patience(was: Figures | None) -> float:
    """Return how long an answer is waited for, in seconds: ten times the slowest one without the fault."""
    if was is None:
        return _FIRST_PATIENCE
    return float(min(_FIRST_PATIENCE, max(_SHORTEST_PATIENCE, 10 * was["slowest"])))
