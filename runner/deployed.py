"""What runs in a cluster: images, chart versions and Git revisions of its workloads, as labels of a run."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from runner.entry import IN_PODS
from runner.errors import ChaosctlError

__all__ = ["deployed", "labelled", "told"]

_KINDS = "deployments", "statefulsets", "daemonsets"
_CHART = "helm.sh/chart"
_VERSION = "app.kubernetes.io/version"
_REVISION = "org.opencontainers.image.revision"


def deployed(targets: Iterable[str]) -> tuple[dict[str, str], str]:
    """Return the labels of all workloads in the namespaces of these targets' pods, and what kept from reading them.

    A cluster that does not say what runs there makes no run fail: what is missing is told in its timeline.
    """
    found: dict[str, str] = {}
    try:
        for environment, namespace in sorted(set(_places(targets))):
            from runner.cluster import cluster  # noqa: PLC0415 - half a second that only clusters need

            for kind in _KINDS:
                for item in cluster(environment).items(f"/apis/apps/v1/namespaces/{namespace}/{kind}").items:
                    found |= told(item)
    except ChaosctlError as error:
        return found, error.message
    return found, ""


def labelled(started_by: Mapping[str, Any], targets: Iterable[str]) -> tuple[dict[str, Any], str]:
    """Return an origin with what runs beside these targets among its labels, and what kept from reading that.

    What was said by hand wins over what the cluster says.
    """
    found, missing = deployed(targets)
    told_so = f"what runs in the cluster could not be read: {missing}" if missing else ""
    return {**started_by, "labels": found | started_by["labels"]}, told_so


def told(workload: Mapping[str, Any]) -> dict[str, str]:
    """Return what one workload says of itself: `image.NAME`, and `chart.`, `version.` and `git.NAME` where it does."""
    meta = workload["metadata"]
    template = workload["spec"]["template"]
    name: str = meta["name"]
    said: dict[str, str] = {}
    for place in (template.get("metadata") or {}, meta):
        said |= (place.get("annotations") or {}) | (place.get("labels") or {})
    containers = template["spec"]["containers"]
    images = {f"image.{name}" if len(containers) == 1 else f"image.{name}.{c['name']}": c["image"] for c in containers}
    known = {"chart": said.get(_CHART), "version": said.get(_VERSION), "git": said.get(_REVISION)}
    return images | {f"{what}.{name}": value for what, value in known.items() if value}


def _places(targets: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield environment and namespace of each target that is in a namespace of a cluster."""
    for target in targets:
        scheme, _, rest = target.partition(":")
        words = rest.split("/")
        if scheme in IN_PODS:
            yield words[0], words[1]
        elif scheme == "object" and len(words) == 4:
            yield words[0], words[2]
