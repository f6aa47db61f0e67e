"""DNS, asked from where a target is: the proof of network-dns, and a probe for experiments."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from typing import Any

from probes._questions import PATIENCE, Answer, Question, ask_all
from runner import addresses as asking
from runner.errors import Inconclusive
from runner.model import Look, Sight, clock
from runner.targets import Target, reach

__all__ = ["Answer", "Question", "addresses", "ask", "look", "resolves"]

_SHORTEST_PATIENCE = 0.5
_LONGEST_TURN = 1.0
_TURN = threading.Lock()
_RETURNED = {"timeout": "timeout", "refused": "refused", "servfail": "SERVFAIL", "nxdomain": "NXDOMAIN"}


def addresses(at: Target, before: Look | None, name: str) -> Look:  # noqa: ARG001 - all looks are asked alike
    """Return the addresses of a name at the target as evidence, for targets that nobody else can ask from."""
    asked = clock()
    found = asking.addresses(at, name)
    return Look(asked, clock(), Sight.UNCLEAR, f"{name} is {', '.join(found)}", {"addresses": found})


def ask(at: Target, question: Question, patience: float = PATIENCE) -> Answer:
    """Return what one query from the target gets within `patience` seconds; one packet, no retries, no cache."""
    [(_, answer)] = ask_all(at, [question], patience)
    return answer


def look(
    at: Target, before: Look | None, names: Sequence[str], mode: str, control: str = "", below: bool = False
) -> Look:
    """Return what lookups from the target show of a DNS fault: the proof of network-dns.

    The first look (`before` absent) finds the full name that resolves, each way to ask for it and a control name that
    works too; later looks ask exactly those again. The fault is PRESENT when every way fails as `mode` says while the
    control answers as before, ABSENT when all answer. `below`: the names stand for all names beside them.
    """
    with nullcontext() if before else _turn():
        asked = clock()
        seen = _again(at, before.evidence, _RETURNED[mode]) if before else _first(at, names, control, below)
        return Look(asked, clock(), *seen)


def resolves(name: str, where: str = "local") -> bool:
    """Return whether a full name resolves to an address from there: a probe for experiments.

    `where` is a target such as `netns:payment-api`. Raises Inconclusive where no server answers at all.
    """
    at = reach(where)
    answers = [ask(at, Question(name, server)) for server in at.resolver().nameservers]
    heard = [answer for answer in answers if answer.outcome not in ("timeout", "refused")]
    if not heard:
        outcomes = ", ".join(answer.outcome for answer in answers)
        raise Inconclusive(f"No DNS server answered a query for {name} from {at.name} ({outcomes}).")
    return any(answer.addresses for answer in heard)


@contextmanager
def _turn() -> Iterator[None]:
    """Let one first look of this process go on at a time: how long answers take decides how long to wait for them.

    Where the one before does not end, because nothing answers it, nobody waits for long.
    """
    mine = _TURN.acquire(timeout=_LONGEST_TURN)
    try:
        yield
    finally:
        if mine:
            _TURN.release()


_Seen = tuple[Sight, str, Mapping[str, Any]]


def _first(at: Target, names: Sequence[str], control: str, below: bool) -> _Seen:
    resolver = at.resolver()
    servers = resolver.nameservers
    tried = ask_all(at, [Question(name, servers[0], "udp", rdtype) for name in names for rdtype in ("A", "AAAA")])
    found = next((way.name for way, answer in tried if answer.addresses), "")
    if not found:
        outcomes = " and ".join(sorted({answer.outcome for _, answer in tried}))
        told = f"{names[-1]} does not resolve there even without the fault"
        return Sight.UNCLEAR, f"{told}: {servers[0]} of {resolver.source} gives {outcomes}", {"names": list(names)}
    ways = [Question(found, server, "udp", rdtype) for server in servers[1:] for rdtype in ("A", "AAAA")]
    ways += [Question(found, server, "tcp", "A") for server in servers]
    controls = _controls(servers[0], found.partition(".")[2] if below else found, control)
    more = ask_all(at, [*ways, *controls])
    known = [(way, answer) for way, answer in tried if way.name == found] + more[: len(ways)]
    answered = [(way, answer) for way, answer in known if answer.outcome == "NOERROR"]
    steadied = more[len(ways) :]
    steady, expected = next(((way, answer) for way, answer in steadied if answer.addresses), steadied[-1])
    if expected.outcome in ("timeout", "refused") or (control and not expected.addresses):
        return Sight.UNCLEAR, f"the control name {steady.name} gets {expected.outcome} even without the fault", {}
    slowest = max(answer.seconds for _, answer in answered)
    evidence = {
        "ways": [asdict(way) for way, _ in answered],
        "control": asdict(steady),
        "control_outcome": expected.outcome,
        "patience": min(PATIENCE, max(_SHORTEST_PATIENCE, 10 * slowest)),
    }
    detail = f"{found} answers in {slowest * 1000:.1f} ms over {_transports(way for way, _ in answered)}"
    return Sight.ABSENT, f"{detail}; control {steady.name} answers {expected.outcome}", evidence


def _again(at: Target, evidence: Mapping[str, Any], wanted: str) -> _Seen:
    ways = [Question(**way) for way in evidence["ways"]]
    control = Question(**evidence["control"])
    *answers, (_, steady) = ask_all(at, [*ways, control], evidence["patience"])
    outcomes = sorted({answer.outcome for _, answer in answers})
    name, shown = ways[0].name, " and ".join(outcomes)
    if steady.outcome != evidence["control_outcome"]:
        told = f"{name} gets {shown}, but the control {control.name} gets {steady.outcome} too"
        return Sight.UNCLEAR, f"{told}: more than this name is affected", {}
    if outcomes == [wanted]:
        told = f"{name} gets {shown} over {_transports(ways)}"
        return Sight.PRESENT, f"{told}; control {control.name} answers {steady.outcome}", {}
    if outcomes == ["NOERROR"]:
        return Sight.ABSENT, f"{name} answers over {_transports(ways)}; control {control.name} too", {}
    odd = "; ".join(f"{way.rdtype} over {way.transport} from {way.server}: {got.outcome}" for way, got in answers)
    return Sight.UNCLEAR, f"{name} is answered one way and not another: {odd}", {}


def _controls(server: str, name: str, chosen: str) -> list[Question]:
    """Return what to ask that may work without the fault: the chosen name, else the API server's and a neighbour.

    A neighbour is not there, so its NXDOMAIN shows that the server still answers, and that the fault's match is exact.
    """
    label, _, parent = name.partition(".")
    neighbour = f"{label[:60]}-x.{parent}" if parent else f"{label[:60]}-x"
    domain = name.partition(".svc.")[2]
    candidates = [chosen] if chosen else [f"kubernetes.default.svc.{domain}"] * (domain != "") + [neighbour]
    return [Question(candidate, server) for candidate in candidates if candidate != name]


def _transports(ways: Any) -> str:
    return " and ".join(sorted({way.transport for way in ways}, reverse=True))
