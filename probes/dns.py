"""DNS, asked from where a target is: the proof of network-dns, and a probe for experiments."""

import errno
import ipaddress
import socket
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype

from runner.errors import Inconclusive
from runner.model import DNS_PROBE_ID, Look, Sight, clock
from runner.targets import Target, reach

__all__ = ["Answer", "Question", "ask", "look", "resolves"]

_FIRST_PATIENCE = 2.0
_SHORTEST_PATIENCE = 0.5
_RETURNED = {"timeout": "timeout", "refused": "refused", "servfail": "SERVFAIL", "nxdomain": "NXDOMAIN"}


@dataclass(frozen=True)
class Question:
    """One query: a full name and record type to one server over one transport."""

    name: str
    server: str
    transport: str = "udp"
    rdtype: str = "A"


@dataclass(frozen=True)
class Answer:
    """What came back: `outcome` is an rcode's name, `timeout`, `refused` or an error's name.

    `addresses` counts the A or AAAA records in it, `seconds` is how long it took.
    """

    outcome: str
    addresses: int
    seconds: float


def ask(at: Target, question: Question, patience: float = _FIRST_PATIENCE) -> Answer:
    """Return what one query from the target gets within `patience` seconds; one packet, no retries, no cache."""
    query = dns.message.make_query(question.name, question.rdtype, id=DNS_PROBE_ID)
    family = socket.AF_INET6 if ipaddress.ip_address(question.server).version == 6 else socket.AF_INET
    kind = socket.SOCK_DGRAM if question.transport == "udp" else socket.SOCK_STREAM
    begun = clock()
    with at.socket(family, kind) as connection:
        connection.settimeout(patience)
        try:
            connection.connect((question.server, 53))
            connection.setblocking(False)
            exchange = dns.query.udp if question.transport == "udp" else dns.query.tcp
            reply = exchange(query, question.server, timeout=patience, sock=connection)
        except (dns.exception.Timeout, TimeoutError):
            return Answer("timeout", 0, clock() - begun)
        except (ConnectionRefusedError, ConnectionResetError, EOFError):
            return Answer("refused", 0, clock() - begun)
        except OSError as error:
            return Answer(_refusal(connection, error), 0, clock() - begun)
    wanted = dns.rdatatype.from_text(question.rdtype)
    addresses = sum(len(record) for record in reply.answer if record.rdtype == wanted)
    return Answer(dns.rcode.to_text(reply.rcode()), addresses, clock() - begun)


def _refusal(connection: socket.socket, error: OSError) -> str:
    """Return what a failed send was: a refusal leaves its own error behind on the socket, a mere drop does not."""
    pending = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    number = pending or error.errno or 0
    return "refused" if number == errno.ECONNREFUSED else errno.errorcode.get(number, "error")


def look(
    at: Target, before: Look | None, names: Sequence[str], mode: str, control: str = "", below: bool = False
) -> Look:
    """Return what lookups from the target show of a DNS fault: the proof of network-dns.

    The first look (`before` absent) finds the full name that resolves, each way to ask for it and a control name that
    works too; later looks ask exactly those again. The fault is PRESENT when every way fails as `mode` says while the
    control answers as before, ABSENT when all answer. `below`: the names stand for all names beside them.
    """
    asked = clock()
    seen = _first(at, names, control, below) if before is None else _again(at, before.evidence, _RETURNED[mode])
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


_Seen = tuple[Sight, str, Mapping[str, Any]]


def _first(at: Target, names: Sequence[str], control: str, below: bool) -> _Seen:
    resolver = at.resolver()
    servers = resolver.nameservers
    found, outcomes = _resolving(at, names, servers[0])
    if not found:
        told = f"{names[-1]} does not resolve there even without the fault"
        return Sight.UNCLEAR, f"{told}: {servers[0]} of {resolver.source} gives {outcomes}", {"names": list(names)}
    ways = [Question(found, server, "udp", rdtype) for server in servers for rdtype in ("A", "AAAA")]
    ways += [Question(found, server, "tcp", "A") for server in servers]
    answered = [(way, answer) for way, answer in _ask_all(at, ways) if answer.outcome == "NOERROR"]
    steady, expected = _control(at, servers[0], found.partition(".")[2] if below else found, control)
    if expected.outcome in ("timeout", "refused") or (control and not expected.addresses):
        return Sight.UNCLEAR, f"the control name {steady.name} gets {expected.outcome} even without the fault", {}
    slowest = max(answer.seconds for _, answer in answered)
    evidence = {
        "ways": [asdict(way) for way, _ in answered],
        "control": asdict(steady),
        "control_outcome": expected.outcome,
        "patience": min(_FIRST_PATIENCE, max(_SHORTEST_PATIENCE, 10 * slowest)),
    }
    detail = f"{found} answers in {slowest * 1000:.1f} ms over {_transports(way for way, _ in answered)}"
    return Sight.ABSENT, f"{detail}; control {steady.name} answers {expected.outcome}", evidence


def _again(at: Target, evidence: Mapping[str, Any], wanted: str) -> _Seen:
    ways = [Question(**way) for way in evidence["ways"]]
    control = Question(**evidence["control"])
    *answers, (_, steady) = _ask_all(at, [*ways, control], evidence["patience"])
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


def _resolving(at: Target, names: Sequence[str], server: str) -> tuple[str, str]:
    """Return the first of the names that resolves, and what all of them got."""
    answers = _ask_all(at, [Question(name, server, "udp", rdtype) for name in names for rdtype in ("A", "AAAA")])
    outcomes = " and ".join(sorted({answer.outcome for _, answer in answers}))
    return next((way.name for way, answer in answers if answer.addresses), ""), outcomes


def _control(at: Target, server: str, name: str, chosen: str) -> tuple[Question, Answer]:
    """Return a name that works without the fault: the chosen one, the API server's, else a neighbour of the name.

    A neighbour is not there, so its NXDOMAIN shows that the server still answers, and that the fault's match is exact.
    """
    label, _, parent = name.partition(".")
    neighbour = f"{label[:60]}-x.{parent}" if parent else f"{label[:60]}-x"
    domain = name.partition(".svc.")[2]
    candidates = [chosen] if chosen else [f"kubernetes.default.svc.{domain}"] * (domain != "") + [neighbour]
    questions = [Question(candidate, server) for candidate in candidates if candidate != name]
    answers = _ask_all(at, questions)
    return next(((way, answer) for way, answer in answers if answer.addresses), answers[-1])


def _ask_all(
    at: Target, questions: Sequence[Question], patience: float = _FIRST_PATIENCE
) -> list[tuple[Question, Answer]]:
    with ThreadPoolExecutor(max_workers=len(questions)) as pool:
        answers = list(pool.map(lambda question: ask(at, question, patience), questions))
    return list(zip(questions, answers, strict=True))


def _transports(ways: Any) -> str:
    return " and ".join(sorted({way.transport for way in ways}, reverse=True))
