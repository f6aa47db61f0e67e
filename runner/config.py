"""chaosctl.yaml: which systems there are, how they are reached, and what is allowed there."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlsplit, urlunsplit

from pydantic import AnyUrl, Field, model_validator

from runner.documents import Document
from runner.errors import Unreachable, UsageError
from runner.limits import Guardrails
from runner.paths import state_dir
from runner.settings import Duration, Part

__all__ = [
    "Chosen",
    "Configuration",
    "Duration",
    "Environment",
    "Etcd",
    "Guardrails",
    "Host",
    "Kubernetes",
    "Prometheus",
    "Secret",
    "Service",
    "Store",
    "config_files",
    "current",
    "current_or_none",
    "json_schema",
    "load",
    "read",
]


class Secret(Part):
    """A secret by reference: the name of an environment variable, or a file that holds it."""

    env: str = ""
    file: Path | None = None

    @model_validator(mode="after")
    def _one(self) -> "Secret":
        if bool(self.env) == bool(self.file):
            raise ValueError("a secret is `{env: NAME}` or `{file: PATH}`, one of the two")
        return self

    def reveal(self) -> str:
        """Return the secret; raises Unreachable where the reference leads nowhere."""
        if self.env:
            if value := os.environ.get(self.env):
                return value
            raise Unreachable(f"The secret in ${self.env} is empty or not set.", f"Set it: export {self.env}=...")
        assert self.file is not None  # noqa: S101 - the validator saw to it
        try:
            return self.file.read_text().strip()
        except OSError as error:
            raise Unreachable(f"The secret file {self.file} cannot be read: {error.strerror}.") from error


class Host(Part):
    """A machine or namespace that faults can act on: `reach` is `netns:NAME`, `local` or another target."""

    reach: str
    namespace: str = ""
    labels: Mapping[str, str] = Field(default_factory=dict)


class Prometheus(Part):
    """The Prometheus that steady state is asked of."""

    url: AnyUrl
    bearer_token: Secret | None = None
    username: str = ""
    password: Secret | None = None
    ca_file: Path | None = None
    timeout: Duration = 5.0
    proxy: bool = Field(default=False, description="honour HTTP_PROXY and HTTPS_PROXY")


class Etcd(Part):
    """The etcd whose latency is at stake."""

    endpoints: tuple[AnyUrl, ...]
    clients: tuple[str, ...] = Field(
        default=(), description="hosts that use it: whom its faults are for where nobody says"
    )
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None


class Kubernetes(Part):
    """The cluster, pinned: faults are refused where the kube-system UID behind the context is another."""

    context: str
    kubeconfig: Path | None = None
    uid: str
    namespace: str = Field(default="chaosctl", description="of our own, for node pods and the ledger of the cluster")
    image: str = Field(default="chaosctl:latest", description="of the node pods")
    protect: tuple[str, ...] = Field(
        default=(
            "k8s-app=kube-dns",
            "app=prometheus",
            "app.kubernetes.io/name=prometheus",
            "app=postgresql",
            "app.kubernetes.io/name=postgresql",
        ),
        description="labels of pods whose nodes take node faults only by --allow-node",
    )
    opt_in: bool = Field(default=True, description="only namespaces labelled chaosctl/faults=allowed take faults")

    def guardians(self, kind: str) -> str:
        """Return the namespace of the guardians of objects of a kind, which lets no privileged pods in.

        Those of nodes have one of their own: whoever makes guardians in a namespace has the rights of all there.
        """
        return f"{self.namespace}-{'node-' if kind == 'node' else ''}guardians"


class Store(Part):
    """Where records go: an SQLAlchemy URL without its password."""

    url: str
    password: Secret | None = None

    def address(self) -> str:
        """Return the URL with its password; raises Unreachable where the secret's reference leads nowhere."""
        if self.password is None:
            return self.url
        parts = urlsplit(self.url)
        user, _, host = parts.netloc.rpartition("@")
        return urlunsplit(parts._replace(netloc=f"{user}:{quote(self.password.reveal(), safe='')}@{host}"))


class Service(Part):
    """What is asked of a service: how much it matters in the fleet, and the weight of each fault it must bear."""

    criticality: float = Field(default=1.0, gt=0)
    owner: str = ""
    requires: Mapping[str, Annotated[float, Field(gt=0)]] = Field(
        default_factory=dict, description="fault: weight; one that was never run counts 0"
    )


class Environment(Part):
    """One system: how it is reached, and what may be done to it."""

    kind: Literal["lab", "preproduction", "production"]
    hosts: Mapping[str, Host] = Field(default_factory=dict)
    kubernetes: Kubernetes | None = None
    prometheus: Prometheus | None = None
    etcd: Etcd | None = None
    store: Store | None = None
    duration: Duration = 90.0
    guardrails: Guardrails = Guardrails()
    services: Mapping[str, Service] = Field(default_factory=dict)
    variables: Mapping[str, str | int | float | bool] = Field(
        default_factory=dict, description="replace the defaults of an experiment's configuration"
    )


class Configuration(Part):
    """The whole file."""

    default: str = ""
    environments: Mapping[str, Environment] = Field(default_factory=dict)


class Chosen(Part):
    """The environment a command works on, with its name."""

    name: str
    environment: Environment

    def store_url(self) -> str:
        """Return where this environment's records go, with its password; empty means the default store."""
        return self.environment.store.address() if self.environment.store else ""


def config_files() -> tuple[Path, ...]:
    """Return the files that make up the configuration, the user's own first; only those that exist.

    $CHAOSCTL_CONFIG, else ./chaosctl.yaml, ~/.config/chaosctl/chaosctl.yaml or /etc/chaosctl/chaosctl.yaml,
    whichever comes first; then what labs on this machine wrote into the state directory.
    """
    own = _own_file()
    written = sorted((state_dir() / "environments").glob("*.yaml"))
    return (*([own] if own else []), *written)


def load() -> Configuration:
    """Return the merged configuration; an own default always wins over a lab's.

    Raises InvalidFile with file, line, field and what was expected, UsageError where an environment is defined twice.
    """
    default, environments = "", {}
    for path in config_files():
        part = read(path)
        for name, environment in part.environments.items():
            if name in environments:
                raise UsageError(
                    f"Environment {name!r} is defined in {path} and in another file before it.",
                    "Rename one.",
                )
            environments[name] = environment
        default = default or part.default
    return Configuration(default=default, environments=environments)


def read(path: Path) -> Configuration:
    """Return one file's configuration, or raise InvalidFile."""
    return Document.read(path).validated(Configuration, "`chaosctl schema` prints all that chaosctl.yaml may say.")


def current(name: str = "") -> Chosen:
    """Return the environment named, or the one $CHAOSCTL_ENV names, or the default of chaosctl.yaml.

    Raises UsageError where none is chosen or the chosen one is not defined.
    """
    if chosen := current_or_none(name):
        return chosen
    raise UsageError(
        "No environment was chosen, and chaosctl.yaml names no default.",
        f"Choose with --env or CHAOSCTL_ENV (known: {_known(load())}), or try it here first: chaosctl lab up.",
    )


def current_or_none(name: str = "") -> Chosen | None:
    """Return the chosen environment as `current` does, or None where none is chosen at all."""
    configuration = load()
    wanted = name or os.environ.get("CHAOSCTL_ENV", "") or configuration.default
    if wanted and wanted not in configuration.environments:
        raise UsageError(
            f"Environment {wanted!r} is not defined (known: {_known(configuration)}).",
            "Define it in chaosctl.yaml, choose another with --env, or start the lab: chaosctl lab up.",
        )
    return Chosen(name=wanted, environment=configuration.environments[wanted]) if wanted else None


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of chaosctl.yaml, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "chaosctl.yaml",
        **Configuration.model_json_schema(),
    }


def _known(configuration: Configuration) -> str:
    return ", ".join(sorted(configuration.environments)) or "none"


def _own_file() -> Path | None:
    if named := os.environ.get("CHAOSCTL_CONFIG"):
        return Path(named)
    places = Path(), Path.home() / ".config" / "chaosctl", Path("/etc/chaosctl")
    return next((file for place in places if (file := place / "chaosctl.yaml").is_file()), None)
