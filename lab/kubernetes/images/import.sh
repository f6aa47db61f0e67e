#!/bin/sh
# Unpacks an archive of images into a containerd's directory: import.sh DIRECTORY ARCHIVE
# It is meant to be alone in namespaces of processes and mounts: its containerd ends and its mounts go with them.
set -eu

mount -t tmpfs tmpfs /run
cat >/run/containerd.toml <<EOF
version = 2
root = "$1"
state = "/run/state"
disabled_plugins = [
  "io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
]
[grpc]
  address = "/run/containerd.sock"
[ttrpc]
  address = "/run/containerd.sock.ttrpc"
EOF
containerd --config /run/containerd.toml --log-level error &
until ctr --address /run/containerd.sock version >/dev/null 2>&1; do
    kill -0 $!
    sleep 0.1
done
ctr --address /run/containerd.sock --namespace k8s.io images import "$2"
kill $!
wait $! || :
