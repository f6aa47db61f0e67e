"""Which number each host and each DNS name has in the lab's ranges."""

from lab.plan import Lab

__all__ = [
    "CLUSTER",
    "CONTROL",
    "DNS",
    "ETCD",
    "MACHINE",
    "PAYMENT_API",
    "PAYMENT_LEDGER",
    "PAYMENT_POOLED",
    "PAYMENT_STALE",
    "PROMETHEUS",
    "REDIS",
    "TRAFFIC",
    "records",
    "resolv_conf",
]

MACHINE = 1
DNS = 2
REDIS = 10
PAYMENT_API = 11
PAYMENT_POOLED = 12
PAYMENT_STALE = 13
PAYMENT_LEDGER = 14
TRAFFIC = 20
ETCD = 30
PROMETHEUS = 40

CLUSTER = "svc.cluster.local"
CONTROL = f"kubernetes.default.{CLUSTER}"

# The last three resolve and lead nowhere: they are there to be left alone by a fault on another name.
_NAMES = {
    "redis-cluster.payment": REDIS,
    "redis-cluster-0.redis-cluster.payment": REDIS,
    "redis-cluster-1.redis-cluster.payment": REDIS,
    "redis-cluster-2.redis-cluster.payment": REDIS,
    "payment-api.payment": PAYMENT_API,
    "mysql.payment": 50,
    "redis-cluster.other": 51,
    "kubernetes.default": 52,
}


def records(lab: Lab) -> dict[str, tuple[str, str]]:
    """Return the zone: each full name with its IPv4 and its IPv6 address."""
    return {
        f"{name}.{CLUSTER}": (str(lab.address(number)), str(lab.address6(number))) for name, number in _NAMES.items()
    }


def resolv_conf(lab: Lab) -> str:
    """Return the resolver configuration of every host, as a pod's in the namespace `payment`, but quick to give up."""
    return (
        f"nameserver {lab.address(DNS)}\n"
        f"nameserver {lab.address6(DNS)}\n"
        f"search payment.{CLUSTER} {CLUSTER} cluster.local\n"
        "options ndots:5 timeout:1 attempts:1\n"
    )
