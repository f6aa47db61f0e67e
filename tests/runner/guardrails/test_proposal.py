"""How much, for how long and whom: what guardrails decide on a fault for certain targets."""

import pytest

from runner.config import Chosen, Environment
from runner.errors import Refused
from runner.guardrails import Proposal, Ruling, enforce, on_proposal
from runner.parameters import build
from runner.selection import Selected, Selection, select

HOSTS = {
    **{f"api-{n}": {"reach": f"netns:api-{n}", "namespace": "payment", "labels": {"app": "api"}} for n in range(4)},
    "worker": {"reach": "netns:worker", "namespace": "payment", "labels": {"app": "worker"}},
    "dns": {"reach": "netns:dns", "namespace": "kube-system", "labels": {"app": "dns"}},
    "prom": {"reach": "netns:worker-03", "namespace": "monitoring"},
}


def decided(arguments: dict[str, str], seconds: float = 60, **limits: object) -> dict[str, Ruling]:
    """Return the last decision of each guardrail."""
    environment = Environment.model_validate({"kind": "lab", "hosts": HOSTS, "guardrails": limits})
    selected = select(build(Selection, arguments), environment)
    made = on_proposal(Proposal(Chosen(name="lab", environment=environment), selected, seconds))
    return {ruling.guardrail: ruling for ruling in made}


def denied(arguments: dict[str, str], seconds: float = 60, **limits: object) -> dict[str, str]:
    """Return who said no, and why."""
    return {name: each.reason for name, each in decided(arguments, seconds, **limits).items() if not each.allowed}


def test_limits_are_the_last_that_is_allowed() -> None:
    found = decided({"where": "api-0,worker"}, max_targets=2, max_duration="60s")
    assert all(ruling.allowed for ruling in found.values())
    assert found["blast radius"].reason == (
        "2 of at most 2 targets: 1 of 4 replicas of payment/api; 1 of 1 replica of payment/worker"
    )
    assert found["longest duration"].reason == "60s of at most 60s"
    assert denied({"where": "api-0,worker,prom"}, 61, max_targets=2, max_duration="60s") == {
        "blast radius": "3 targets are more than environment 'lab' allows (2).",
        "longest duration": "61s is longer than environment 'lab' allows (60s).",
    }


def test_targets_that_stand_for_many_pods_count_as_these() -> None:
    """A Deployment that is scaled to nothing takes all of its pods away, and one that grows takes none."""
    environment = Environment.model_validate({"kind": "lab", "guardrails": {"max_targets": 4}})
    chosen = Chosen(name="lab", environment=environment)
    target = select(build(Selection, {"where": "netns:x"}), environment).targets

    def decided_on(pods: int) -> Ruling:
        proposal = Proposal(chosen, Selected(target, "x", pods=pods), 60)
        return next(each for each in on_proposal(proposal) if each.guardrail == "blast radius")

    assert decided_on(5).reason == "5 pods are more than environment 'lab' allows (4)."
    assert decided_on(4).reason == "4 of at most 4 pods"
    assert decided_on(0).reason == "1 of at most 4 targets"


@pytest.mark.parametrize(
    "arguments",
    [
        {"namespace": "payment"},
        {"namespace": "payment", "selector": "app=api", "replicas": "all"},
        {"namespace": "payment", "replicas": "3"},
        {"where": "api-0,api-1,api-2,api-3"},
        {"selector": "app=worker"},
    ],
)
def test_all_replicas_of_a_service_are_touched_where_that_was_said(arguments: dict[str, str]) -> None:
    """By a whole namespace, in so many words, by their names, or because there is but one."""
    assert denied(arguments) == {}


@pytest.mark.parametrize("arguments", [{"selector": "app=api"}, {"selector": "app=api", "replicas": "100%"}])
def test_all_replicas_of_a_service_are_not_touched_by_chance(arguments: dict[str, str]) -> None:
    found = decided(arguments)["blast radius"]
    assert not found.allowed
    assert found.reason == "That is all 4 replicas of payment/api, and it was not said that all are meant."
    assert "--replicas=all" in found.fix


@pytest.mark.parametrize(("replicas", "picked"), [("1", 1), ("50%", 2), ("99%", 3), ("10%", 1), ("all", 4), ("9", 4)])
def test_replicas_are_the_first_by_name_and_one_at_least(replicas: str, picked: int) -> None:
    environment = Environment.model_validate({"kind": "lab", "hosts": HOSTS})
    found = select(build(Selection, {"selector": "app=api", "replicas": replicas}), environment)
    assert [target.name for target in found.targets] == [f"netns:api-{n}" for n in range(picked)]


def test_largest_share_of_a_service_holds_whatever_was_said() -> None:
    assert denied({"where": "api-0,api-1"}, max_percent="50%") == {}
    found = denied({"where": "api-0,api-1,api-2"}, max_percent="50%")
    assert "3 of 4 replicas of payment/api is more than the 50% of a service" in found["blast radius"]
    assert "1 of 1 replica" in denied({"namespace": "payment"}, max_percent="50%")["blast radius"]


@pytest.mark.parametrize(
    ("arguments", "protected", "told"),
    [
        (
            {"namespace": "kube-system"},
            {},
            "dns may not be touched: environment 'lab' protects the namespace kube-system",
        ),
        ({"where": "netns:dns"}, {}, "the namespace kube-system"),
        ({"selector": "app!=x", "replicas": "1"}, {"namespaces": ["mon*"]}, "prom may not be touched"),
        ({"where": "prom"}, {"nodes": ["worker-03"]}, "protects the node worker-03"),
        ({"where": "netns:worker-03"}, {"nodes": ["prom"]}, "protects the node prom"),
        ({"where": "netns:elsewhere"}, {"nodes": ["else*"]}, "netns:elsewhere may not be touched"),
    ],
)
def test_protected_places_are_not_touched_by_whatever_name(
    arguments: dict[str, str], protected: dict[str, list[str]], told: str
) -> None:
    assert told in denied(arguments, protected=protected)["protected"]


def test_what_is_not_protected_may_be_touched() -> None:
    assert denied({"where": "worker,prom"}, protected={"nodes": ["worker-03x", "orker"]}) == {}


def test_every_no_is_a_decision_and_the_first_is_the_error() -> None:
    made = decided({"where": "dns"}, 61, max_duration="60s")
    with pytest.raises(Refused, match="61s is longer") as refused:
        enforce(made.values())
    assert [ruling.allowed for ruling in refused.value.rulings] == [False, True, False]
