"""What runs on the cluster's machines: each service as the script that starts it, and the files that it reads."""

import json
from collections.abc import Mapping
from typing import Any

from lab.kubernetes.names import (
    API_PORT,
    CLUSTER_DNS,
    CONTROL_PLANE,
    NODES,
    PODS,
    REGISTRY,
    SERVICES,
    pods_of,
    zone_of,
)
from lab.plan import Lab
from lab.zone import ETCD

__all__ = ["READY", "files", "services"]

_HERE = "/run/machine"
# The file in a node's directory that says that the API server has been ready once.
READY = "api-was-ready"


def services(node: str) -> tuple[str, ...]:
    """Return the services of a node, in the order in which they are started."""
    control = ("kube-apiserver", "kube-controller-manager", "kube-scheduler") if node == CONTROL_PLANE else ()
    return (*control, "containerd", "kubelet", "kube-proxy")


def files(lab: Lab, node: str) -> dict[str, str]:
    """Return all files that a node's services are made of, certificates left out."""
    made = {
        "services/containerd": _CONTAINERD,
        "services/kubelet": _kubelet(lab, node),
        "services/kube-proxy": _client("kube-proxy", config="kube-proxy.json"),
    }
    made |= {"containerd.toml": _CONTAINERD_TOML, "cni/10-pods.conflist": json.dumps(_cni(node), indent=2)}
    made |= {
        "kubelet.json": json.dumps(_kubelet_json(), indent=2),
        "kube-proxy.json": json.dumps(_proxy_json(node), indent=2),
    }
    if node == CONTROL_PLANE:
        made |= {
            "services/kube-apiserver": _api_server(lab),
            "services/kube-controller-manager": _controller_manager(),
            "services/kube-scheduler": _client("kube-scheduler", **_identity("kube-scheduler"), leader_elect="false"),
        }
    return made


def _script(program: str, **options: object) -> str:
    """Return the script that becomes the program, with its options a line each."""
    told = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    return " \\\n    ".join([f"exec {program}", *(f"'{option}'" for option in told)]) + "\n"


def _client(program: str, **options: object) -> str:
    """Return the script of a client of the API server: one that came too early would try again only much later."""
    return f"until [ -e {READY} ]; do sleep 0.1; done\n{_script(program, **options)}"


def _identity(name: str) -> dict[str, str]:
    file = f"{_HERE}/{name}.kubeconfig"
    return {"kubeconfig": file, "authentication_kubeconfig": file, "authorization_kubeconfig": file}


def _api_server(lab: Lab) -> str:
    address = lab.address(NODES[CONTROL_PLANE])
    certificates = {
        "client_ca_file": "ca.crt",
        "tls_cert_file": "kube-apiserver.crt",
        "tls_private_key_file": "kube-apiserver.key",
        "kubelet_certificate_authority": "ca.crt",
        "kubelet_client_certificate": "kubelet-client.crt",
        "kubelet_client_key": "kubelet-client.key",
        "requestheader_client_ca_file": "ca.crt",
        "service_account_key_file": "accounts.key",
        "service_account_signing_key_file": "accounts.key",
    }
    return _script(
        "kube-apiserver",
        **{name: f"{_HERE}/{file}" for name, file in certificates.items()},
        advertise_address=address,
        secure_port=API_PORT,
        etcd_servers=f"http://{lab.address(ETCD)}:2379",
        service_cluster_ip_range=SERVICES,
        service_account_issuer="https://kubernetes.default.svc.cluster.local",
        authorization_mode="Node,RBAC",
        enable_admission_plugins="NodeRestriction",
        allow_privileged="true",
        # Nobody stands in front of this API server; controllers complain where it is not said who might.
        requestheader_allowed_names="front-proxy-client",
        requestheader_username_headers="X-Remote-User",
        requestheader_group_headers="X-Remote-Group",
        # Otherwise exec and logs look nodes up by name, which no DNS knows.
        kubelet_preferred_address_types="InternalIP",
        # A kill of the lab need not wait for the requests of watchers.
        shutdown_delay_duration="0s",
        profiling="false",
    )


def _controller_manager() -> str:
    return _client(
        "kube-controller-manager",
        **_identity("kube-controller-manager"),
        root_ca_file=f"{_HERE}/ca.crt",
        service_account_private_key_file=f"{_HERE}/accounts.key",
        cluster_signing_cert_file=f"{_HERE}/ca.crt",
        cluster_signing_key_file=f"{_HERE}/ca.key",
        use_service_account_credentials="true",
        # Each node's range follows from its number, and so do the routes between them.
        allocate_node_cidrs="false",
        leader_elect="false",
        profiling="false",
    )


def _kubelet(lab: Lab, node: str) -> str:
    role = "control-plane" if node == CONTROL_PLANE else "worker"
    labels = {"topology.kubernetes.io/zone": zone_of(node), "topology.kubernetes.io/region": "lab"}
    taints = {"register_with_taints": "node-role.kubernetes.io/control-plane=:NoSchedule"} if role != "worker" else {}
    return _client(
        "kubelet",
        config=f"{_HERE}/kubelet.json",
        kubeconfig=f"{_HERE}/kubelet.kubeconfig",
        hostname_override=node,
        node_ip=lab.address(NODES[node]),
        node_labels=",".join(f"{name}={value}" for name, value in labels.items()),
        **taints,
    )


def _kubelet_json() -> dict[str, Any]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {"anonymous": {"enabled": False}, "x509": {"clientCAFile": f"{_HERE}/ca.crt"}},
        "tlsCertFile": f"{_HERE}/kubelet.crt",
        "tlsPrivateKeyFile": f"{_HERE}/kubelet.key",
        "clusterDNS": [CLUSTER_DNS],
        "clusterDomain": "cluster.local",
        "resolvConf": "",
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        # Both versions of control groups will do, and so will machines whose systemd knows nothing of the lab's.
        "cgroupDriver": "cgroupfs",
        "failCgroupV1": False,
        "cgroupsPerQOS": False,
        "enforceNodeAllocatable": [],
        "failSwapOn": False,
        # A full disk is the machine's matter: the lab evicts nobody for it, and throws no image away.
        "evictionHard": {"memory.available": "0%", "nodefs.available": "0%", "imagefs.available": "0%"},
        "imageGCHighThresholdPercent": 100,
        "maxPods": 200,
        "serializeImagePulls": False,
    }


def _proxy_json(node: str) -> dict[str, Any]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "hostnameOverride": node,
        "clusterCIDR": PODS,
        "clientConnection": {"kubeconfig": f"{_HERE}/kube-proxy.kubeconfig"},
        "metricsBindAddress": "0.0.0.0:10249",
        # These are the machine's own, and none of a namespace's.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }


def _cni(node: str) -> Mapping[str, Any]:
    """Return a link of its own for each pod, without a bridge: what a bridge carries passes the packet filter by."""
    addresses = {
        "type": "host-local",
        "ranges": [[{"subnet": pods_of(node)}]],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": "/run/cni",
    }
    return {"cniVersion": "1.0.0", "name": "pods", "plugins": [{"type": "ptp", "ipMasq": False, "ipam": addresses}]}


_CONTAINERD = f"exec containerd --config {_HERE}/containerd.toml\n"
_CONTAINERD_TOML = f"""\
version = 2
disabled_plugins = [
  "io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
]

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{REGISTRY}/pause:lab"
  disable_hugetlb_controller = true
  tolerate_missing_hugetlb_controller = true
  restrict_oom_score_adj = true
  disable_apparmor = true

[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/usr/lib/cni"
  conf_dir = "{_HERE}/cni"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
"""
