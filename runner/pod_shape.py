"""What is read of a pod as the API has it: 10,000 whole ones would take seconds longer."""

from typing import Any

from typing_extensions import TypedDict

__all__ = ["PodShape"]


class _Named(TypedDict):
    name: str


class _Metadata(TypedDict, total=False):
    name: str
    namespace: str
    uid: str
    labels: dict[str, str]
    ownerReferences: list[_Named]
    deletionTimestamp: str


class _Spec(TypedDict, total=False):
    nodeName: str
    hostNetwork: bool


class _Container(TypedDict, total=False):
    state: dict[str, Any]


class _Status(TypedDict, total=False):
    phase: str
    containerStatuses: list[_Container]


class PodShape(TypedDict):
    """The fields of a pod that say whether it is meant, and whose it is."""

    metadata: _Metadata
    spec: _Spec
    status: _Status
