"""Bringing a lab up: healthy, or not at all."""

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from lab import environment, network, processes
from lab.commands import require_root, require_tools
from lab.down import down, sweep, traces
from lab.health import trouble
from lab.hosts import Host
from lab.kinds import kind
from lab.lock import held
from lab.plan import Lab
from lab.status import status
from runner.errors import Unreachable, UsageError
from runner.model import format_duration

__all__ = ["running", "up"]

Say = Callable[[str], None]


def up(
    say: Say,
    name: str = "lab",
    subnet: str | None = None,
    scrape_interval: float | None = None,
    kubernetes: bool | None = None,
) -> Lab:
    """Bring the lab of that name up, or leave it as it is where it is healthy; say each step.

    `scrape_interval` is in seconds; `kubernetes` makes it a cluster. What is not given stays as it is in the lab that
    is there, or is the default.
    Raises Missing, UsageError where its range or name is taken, and Unreachable where a part does not become healthy;
    what was started is taken down again then.
    """
    require_root()
    require_tools()
    started = time.monotonic()
    given = {"subnet": subnet, "scrape_interval": scrape_interval, "kubernetes": kubernetes}
    wanted = _wanted(Lab(name), given)
    with held(wanted, say) as lock:
        if noted := Lab.on_this_machine(name):
            wanted = replace(_wanted(noted, given), root=wanted.root)
            if _stays(noted, wanted, say):
                kind(noted).refresh(noted, lock, say)
                environment.write(noted)
                return noted
        network.refuse_taken(wanted)
        environment.refuse_defined(wanted)
        _clear(noted or wanted, lock, say)
        with ExitStack() as undo:
            undo.callback(sweep, wanted, lock)
            _build(wanted, lock, say)
            undo.pop_all()
    say(f"{name}: up and healthy ({format_duration(time.monotonic() - started)}); environment: {wanted.environment}")
    return wanted


@contextmanager
def running(say: Say, name: str, subnet: str, scrape_interval: float = 1.0) -> Iterator[Lab]:
    """Have a lab within a `with` block, and none after it."""
    try:
        yield up(say, name, subnet, scrape_interval)
    finally:
        down(name, say)


def _wanted(lab: Lab, given: Mapping[str, Any]) -> Lab:
    return replace(lab, **{name: value for name, value in given.items() if value is not None})


def _stays(noted: Lab, wanted: Lab, say: Say) -> bool:
    """Say whether the lab that is there can stay; raises UsageError where it is healthy and another was asked for."""
    ailing = [f"{part.name}: {part.trouble}" for part in status(noted) if not part.up]
    if ailing:
        say(f"{noted.name}: is there but not healthy and is built anew ({'; '.join(ailing)})")
    elif noted != replace(wanted, root=noted.root):
        raise UsageError(
            f"Lab {noted.name!r} is up with range {noted.subnet} and scrapes every "
            f"{format_duration(noted.scrape_interval)}; it cannot change while it runs, and was left as it is.",
            f"Take it down first (chaosctl lab down --name {noted.name}), or give another --name.",
        )
    else:
        say(f"{noted.name}: is up and healthy already, and stays as it is; environment: {noted.environment}")
    return not ailing


def _clear(lab: Lab, lock: int, say: Say) -> None:
    if traces(lab):
        say(f"{lab.name}: removing what an earlier lab left")
        sweep(lab, lock)


def _build(lab: Lab, lock: int, say: Say) -> None:
    os.pwrite(lock, lab.to_json().encode(), 0)
    lab.state.mkdir(parents=True)
    network.build(lab, lock)
    made = kind(lab)
    say(f"{lab.name}: network {lab.subnet} and {lab.network6}, {len(made.spaces)} hosts")
    made.prepare(lab, lock, say)
    for host in made.hosts:
        if host.start:
            processes.start(lab.namespace(host.name), host.start(lab), _log(lab, host), lock)
    say(f"{lab.name}: started {', '.join(made.spaces)}")
    made.furnish(lab, lock, say)
    _await_health(lab, say)
    environment.write(lab)


def _await_health(lab: Lab, say: Say) -> None:
    started = time.monotonic()
    given_up = threading.Event()
    hosts = kind(lab).hosts
    with ThreadPoolExecutor(len(hosts)) as pool:
        waiting = {pool.submit(_await_host, lab, host, given_up): host for host in hosts}
        try:
            for number, done in enumerate(as_completed(waiting), 1):
                done.result()
                host = waiting[done]
                took = format_duration(time.monotonic() - started)
                say(f"{lab.name}: {number}/{len(hosts)} {host.name} at {lab.address(host.number)} is healthy ({took})")
        finally:
            given_up.set()


def _await_host(lab: Lab, host: Host, given_up: threading.Event) -> None:
    """Poll a host's health until it is there; raises Unreachable when its time is over or its process has ended."""
    limit = host.limit + host.scrapes * lab.scrape_interval
    started = time.monotonic()
    while (problem := trouble(host.check, lab, host.number)) and not given_up.wait(host.every):
        waited = time.monotonic() - started
        ended = waited > 1 and host.start is not None and not _is_inhabited(lab, host)
        if ended or waited > limit:
            raise Unreachable(
                f"{host.name} of lab {lab.name!r} "
                + ("ended by itself" if ended else f"was not healthy within {format_duration(limit)}")
                + f": {problem}.{_story(lab, host)}",
                "Nothing of this try was left behind. Mend what the log names, then: chaosctl lab up",
            )


def _is_inhabited(lab: Lab, host: Host) -> bool:
    return bool(processes.inhabitants(processes.namespaces([lab.namespace(host.name)]).values()))


def _story(lab: Lab, host: Host) -> str:
    if host.start is None:
        return ""
    return f" It was started by `{' '.join(host.start(lab))}`; its log ends so:\n{processes.tail(_log(lab, host))}"


def _log(lab: Lab, host: Host) -> Path:
    return lab.state / f"{host.name}.log"
