"""From whom a fault takes something away."""

import pytest

from runner.config import Environment, Host
from runner.errors import Inconclusive, UsageError
from runner.parameters import build
from runner.selection import Selection, select, wanted

SYSTEM = Environment(
    kind="lab",
    hosts={
        "api": Host(reach="netns:api", namespace="payment", labels={"app": "api", "tier": "web"}),
        "worker": Host(reach="netns:worker", namespace="payment", labels={"app": "worker"}),
        "db": Host(reach="netns:db", namespace="data", labels={"app": "db"}),
        "api-again": Host(reach="netns:api", namespace="payment", labels={"app": "api"}),
    },
)


def chosen(**arguments: str) -> tuple[list[str], str]:
    found = select(build(Selection, arguments), SYSTEM)
    return [target.name for target in found.targets], found.who


@pytest.mark.parametrize(
    ("arguments", "targets", "who"),
    [
        ({"where": "netns:x"}, ["netns:x"], "netns:x"),
        ({"where": "api"}, ["netns:api"], "api"),
        ({"where": "db, netns:x ,local"}, ["netns:db", "netns:x", "local"], "db, netns:x, local"),
        ({"namespace": "data"}, ["netns:db"], "db in data"),
        ({"selector": "app=worker"}, ["netns:worker"], "worker"),
        ({"namespace": "payment", "selector": "app!=api"}, ["netns:worker"], "worker in payment"),
        ({"selector": "app=api,tier=web"}, ["netns:api"], "api"),
        ({"selector": " app = db "}, ["netns:db"], "db"),
    ],
)
def test_who_is_meant_is_found_and_can_be_spoken_of(arguments: dict[str, str], targets: list[str], who: str) -> None:
    assert chosen(**arguments) == (targets, who)


def test_four_hosts_are_counted_not_listed() -> None:
    assert chosen(selector="app!=none")[1] == "4 hosts"


@pytest.mark.parametrize(
    "arguments",
    [{"where": "netns:api,netns:api"}, {"where": "api,netns:api"}, {"where": "api,api-again"}, {"selector": "app=api"}],
)
def test_target_that_is_meant_twice_takes_the_fault_once(arguments: dict[str, str]) -> None:
    """Twice, its second table would fail for the first one being there."""
    assert chosen(**arguments)[0] == ["netns:api"]


@pytest.mark.parametrize("arguments", [{"namespace": "nowhere"}, {"selector": "app=none"}, {"selector": "app==api"}])
def test_nothing_that_matches_is_inconclusive_and_names_what_there_is(arguments: dict[str, str]) -> None:
    with pytest.raises(Inconclusive, match="nothing was touched") as nothing:
        chosen(**arguments)
    assert next(iter(arguments.values())) in nothing.value.message
    assert "api, worker, db, api-again" in nothing.value.fix


def test_without_an_environment_only_a_written_target_can_be_meant() -> None:
    assert [target.name for target in select(Selection(where="netns:x"), None).targets] == ["netns:x"]
    with pytest.raises(Inconclusive, match="No target matches namespace payment"):
        select(Selection(namespace="payment"), None)
    with pytest.raises(UsageError, match="'api' is not a target"):
        select(Selection(where="api"), None)


@pytest.mark.parametrize("arguments", [{}, {"where": ""}, {"where": ","}, {"where": " , "}, {"selector": "app"}])
def test_saying_nothing_of_whom_is_a_usage_error(arguments: dict[str, str]) -> None:
    with pytest.raises(UsageError) as refused:
        chosen(**arguments)
    assert refused.value.fix


@pytest.mark.parametrize(
    ("number", "replicas", "meant"),
    [(4, "", 4), (4, "all", 4), (4, "100%", 4), (4, "50%", 2), (5, "50%", 2), (3, "10%", 1), (4, "2", 2), (1, "2", 1)],
)
def test_share_of_a_service_is_rounded_down_and_one_at_least(number: int, replicas: str, meant: int) -> None:
    assert wanted(number, replicas) == meant
