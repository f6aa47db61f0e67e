"""The lab as a cluster: a Kubernetes of three nodes on one machine, each a network namespace with its own kubelet."""
