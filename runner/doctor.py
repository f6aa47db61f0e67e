"""Looks at what faults and experiments need on this machine and in the chosen environment, and touches nothing.

What the kernel has is tried in network namespaces that end at once; modules that it needs for that are loaded.
"""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner import policy, residue
from runner.config import Chosen, config_files, current_or_none
from runner.discovery import fault, names
from runner.errors import ChaosctlError, CommandFailed, Missing
from runner.fault import Fault
from runner.guardrails import enforce, on_environment, opted_in
from runner.model import Command
from runner.targets import PACKAGES, reach

if TYPE_CHECKING:
    from runner.access import Grant

__all__ = ["Finding", "examine"]

_PARTS = "actions", "probes", "runner", "reports", "lab"
_TRYING = 60.0
"""Seconds that each try may take: the first of its kind may load modules from a slow disk."""

_CAPABILITIES = {"CAP_KILL": 5, "CAP_NET_ADMIN": 12, "CAP_SYS_ADMIN": 21}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `fix` says what to do where it is not ok."""

    what: str
    ok: bool
    told: str
    fix: str = ""


def examine(environment: str = "") -> list[Finding]:
    """Return what was found: import names, each fault's needs, the environment, and what was left behind."""
    return [*_imports(), *_faults(), *_environment(environment), *_left(environment)]


def _imports() -> Iterator[Finding]:
    """Our import names are generic: something else of the same name in this Python would shadow them."""
    home = Path(__file__).parent.parent
    for part in _PARTS:
        spec = find_spec(part)
        places = [Path(place) for place in (spec.submodule_search_locations or [])] if spec else []
        ok = home / part in places
        shadow = ", ".join(str(place) for place in places) or "nothing"
        fix = "" if ok else "Install chaosctl into a virtual environment of its own."
        yield Finding(f"import {part}", ok, "is ours" if ok else f"is {shadow}, not {home / part}", fix)


def _faults() -> Iterator[Finding]:
    for name in names():
        needs = fault(name).needs
        if in_a_cluster := [need for need in needs if " " in need]:
            yield Finding(f"fault {name}", True, f"needs a cluster, and there {', '.join(in_a_cluster)}")
            continue
        lacking = [need for need in needs if not _is_there(need)]
        if lacking:
            told = f"lacks {', '.join(lacking)}"
            yield Finding(f"fault {name}", False, told, " ".join(_fix(need) for need in lacking))
        else:
            yield _tried(name)


def _tried(name: str) -> Finding:
    """Try on this machine what programs and privileges do not say: what its kernel has."""
    declared = fault(name)
    told = f"has {', '.join(declared.needs)}"
    if not (failed := [each for each in declared.tries() if not _succeeds(each.command)]):
        return Finding(f"fault {name}", True, told)
    refused = f"this kernel has no {' and no '.join(each.what for each in failed)}"
    fix = " ".join(dict.fromkeys(each.fix for each in failed))
    if only := failed[0].only:
        return Finding(f"fault {name}", True, f"{told}; {only} it is refused here: {refused}", fix)
    return Finding(f"fault {name}", False, f"is refused here: {refused}", fix)


@cache
def _succeeds(command: Command) -> bool:
    try:
        reach("local").run(command, timeout=_TRYING)
    except CommandFailed:
        return False
    return True


def _environment(name: str) -> Iterator[Finding]:
    yield Finding("configuration", True, ", ".join(str(file) for file in config_files()) or "none: no file was found")
    try:
        chosen = current_or_none(name)
        if chosen is None:
            yield Finding("environment", True, "none is chosen; only --on works", "")
            return
        yield from _impossible(chosen)
        enforce(on_environment(chosen))
        yield Finding(f"environment {chosen.name}", True, f"{chosen.environment.kind}, may be touched")
        if chosen.environment.kubernetes:
            yield from _access(chosen)
        if chosen.environment.prometheus:
            with import_module("probes.prometheus").server() as server:
                value = server.value("count(up)")
            yield Finding("prometheus", True, f"{chosen.environment.prometheus.url} scrapes {value:.0f} targets")
    except ChaosctlError as error:
        yield Finding("environment", False, error.message, error.fix)


def _impossible(chosen: Chosen) -> Iterator[Finding]:
    """Say which faults this environment cannot have, whatever is installed, and which it can have instead."""
    for name in names():
        if found := fault(name).impossible(chosen.environment):
            yield Finding(f"fault {name} in {chosen.name}", True, found.message, found.fix)


def _access(chosen: Chosen) -> Iterator[Finding]:
    """Say what this user may do in the cluster, and which faults that allows."""
    from runner import access  # noqa: PLC0415 - half a second that only clusters need
    from runner.cluster import cluster  # noqa: PLC0415

    at = cluster(chosen.name, chosen.environment.kubernetes)
    found = list(access.grants(at, opted_in.LABEL, chosen.environment.guardrails.protected.namespaces))
    for grant in found:
        told = _granted(grant)
        fix = f"An administrator grants it by deploy/rbac/{grant.capability}.yaml." if grant.lacking else ""
        yield Finding(f"access {grant.capability}{grant.where}", not grant.lacking, told, fix)
        if grant.capability == "admission-faults" and not any(policy.NAME in lack.told for lack in grant.lacking):
            yield _policy(at.get)
    if chosen.environment.kubernetes and chosen.environment.kubernetes.opt_in and not any(one.where for one in found):
        told = f"no namespace is labelled {opted_in.LABEL}=allowed: no pod takes a fault"
        yield Finding("access to namespaces", False, told, f"kubectl label namespace NAME {opted_in.LABEL}=allowed")


def _policy(ask: Callable[[str], dict[str, Any]]) -> Finding:
    """Say whether the policy is there that node-heartbeat-loss writes parameters for, as this version knows it."""
    what = f"policy {policy.NAME}"
    try:
        policy.verify(ask)
    except Missing as error:
        return Finding(what, False, error.message, error.fix)
    return Finding(what, True, f"is installed; its parameters are in {policy.PARAMETERS}")


def _granted(grant: "Grant") -> str:
    """Return which faults a grant allows, and what is lacking for which others."""
    from runner import access  # noqa: PLC0415 - half a second that only clusters need

    kinds = {name: fault(name).changes or access.ENTER for name in names() if _is_meant(fault(name), grant.capability)}
    allowed = ", ".join(name for name, kind in kinds.items() if grant.allows(kind))
    if not grant.lacking:
        return f"allows {allowed or 'plans, probes and `chaosctl faults`'}"
    lacking = f"may not {', '.join(lack.told for lack in grant.lacking)}"
    if not allowed:
        return lacking
    denied = ", ".join(name for name, kind in kinds.items() if not grant.allows(kind))
    return f"allows {allowed}; not {denied}: {lacking}"


def _is_meant(declared: type[Fault], capability: str) -> bool:
    return declared.access == capability or (capability == "ephemeral-faults" and declared.fits_container())


def _left(environment: str) -> Iterator[Finding]:
    try:
        left, doubts = residue.everything(environment), residue.damaged(environment)
    except ChaosctlError as error:
        yield Finding("residue", False, error.message, error.fix)
        return
    yield from (Finding("residue", False, doubt.message, doubt.fix) for doubt in doubts)
    if doubts and not left:
        return
    yield Finding(
        "residue",
        not left,
        f"{len(left)} faults are live or left something behind" if left else "nothing is live or left behind",
        "`chaosctl faults` lists them." if left else "",
    )


def _is_there(need: str) -> bool:
    if need in _CAPABILITIES:
        status = Path("/proc/self/status").read_text().partition("CapEff:\t")[2].split()[0]
        return bool(int(status, 16) >> _CAPABILITIES[need] & 1)
    return shutil.which(need) is not None


def _fix(need: str) -> str:
    if need in _CAPABILITIES:
        return f"{need}: run as root (sudo)."
    return f"{need}: apt-get install {PACKAGES.get(need, need)}."
