#!/bin/sh
# Makes a machine of its own out of the network namespace it is started in, and runs what such a machine runs:
#
#     machine.sh CGROUP DIRECTORY IMAGES PROGRAMS SERVICE...
#
# The machine has processes, mounts, a host name and control groups of its own. What it writes is in DIRECTORY, which is
# /run/machine there, and the rest of the disk is read-only. IMAGES, which is /run/images there, has the layers that its
# containers are made of. PROGRAMS is searched before PATH, and of the same form. Each SERVICE is a script in
# DIRECTORY/services, and is started again soon after it ended, unless DIRECTORY/held/SERVICE is there.
# Everything ends with the machine's first process: services, pods, mounts.
set -eu

groups=/sys/fs/cgroup

# Each hierarchy of control groups of version 1, as its controllers; none of them means version 2.
hierarchies() {
    awk '!/^#/ && $4 == 1 && $2 != 0 { of[$2] = of[$2] (of[$2] == "" ? "" : ",") $1 }
        END { for (number in of) print of[number] }' /proc/cgroups
}

# The host's own, wherever they lie: runc takes the first that its mount table has, and asks for those of a name too.
unmount_the_hosts() {
    awk '$3 ~ /^cgroup2?$/ { print $2 }' /proc/self/mounts | while read -r place; do umount --lazy "$place" || :; done
}

mount_groups() {
    if [ -z "$(hierarchies)" ]; then
        mount -t cgroup2 cgroup2 $groups
        return
    fi
    mount -t tmpfs -o mode=755 tmpfs $groups
    for hierarchy in $(hierarchies); do
        mkdir $groups/"$hierarchy"
        mount -t cgroup -o "$hierarchy" cgroup $groups/"$hierarchy"
    done
}

unmount_groups() {
    if [ -n "$(hierarchies)" ]; then umount $groups/*; fi
    umount $groups
}

join() {
    mkdir -p "$1"
    # A set of version 1 without processors or memory takes nobody in.
    for given in cpuset.cpus cpuset.mems; do
        if [ -n "$(hierarchies)" ] && [ -e "$1/$given" ]; then cat "${1%/*}/$given" >"$1/$given"; fi
    done
    echo $$ >"$1/cgroup.procs"
}

# A controller of version 2 is given on only by a group that has no process of its own.
give_on() {
    join $groups/machine
    for controller in $(cat $groups/cgroup.controllers); do echo "+$controller" >$groups/cgroup.subtree_control; done
}

# The kubelet sets some of the kernel's parameters, which are the whole machine's: it is shown what it wants to see.
keep_tunables() {
    for wanted in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
        kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
        file=/run/tunables/${wanted%=*}
        mkdir -p "${file%/*}"
        echo "${wanted#*=}" >"$file"
        [ ! -e "/proc/sys/${wanted%=*}" ] || mount --bind "$file" "/proc/sys/${wanted%=*}"
    done
}

lay_out_disk() {
    directory=$1
    mount -t tmpfs -o mode=755 tmpfs /mnt
    mkdir /mnt/machine /mnt/images /mnt/programs /mnt/netns /mnt/lock
    mount --bind "$directory" /mnt/machine
    mount --bind "$2" /mnt/images
    # Inherited by all that runs here: who makes newer images leaves these alone until the machine has ended.
    exec 9<"$2/in-use"
    flock --shared 9
    path= number=0
    IFS=:
    for place in $3; do
        number=$((number + 1))
        mkdir /mnt/programs/$number
        mount --bind "$place" /mnt/programs/$number
        path=$path/run/programs/$number:
    done
    unset IFS
    mount --no-mtab --move /mnt /run
    cd /run/machine
    mount -o remount,bind,ro /
    echo 1 >/proc/sys/net/ipv4/ip_forward
    keep_tunables
    mount -t tmpfs tmpfs /tmp
    mount -t tmpfs -o mode=755 tmpfs /var/lib
    mkdir -p kubelet containerd log held
    mkdir /var/lib/kubelet /var/lib/containerd
    mount --bind kubelet /var/lib/kubelet
    mount --bind containerd /var/lib/containerd
    mount --bind log /var/log
    export PATH="$path$PATH"
}

supervise() {
    service=$1
    while :; do
        if ! [ -e "held/$service" ]; then
            status=0
            sh "services/$service" >>"log/$service.log" 2>&1 || status=$?
            echo "$service ended with $status; its log ends so: $(tail -n 2 "log/$service.log")"
        fi
        sleep 0.5
    done
}

if [ "$1" = --inside ]; then
    shift
    unmount_the_hosts
    mount_groups
    [ -n "$(hierarchies)" ] || give_on
    lay_out_disk "$1" "$2" "$3"
    shift 3
    for service in "$@"; do supervise "$service" & done
    trap 'exit 0' TERM
    while :; do wait || :; done
else
    cgroup=$1
    shift
    mount_groups
    if [ -n "$(hierarchies)" ]; then
        for hierarchy in $groups/*; do join "$hierarchy/$cgroup"; done
    else
        join "$groups/$cgroup"
    fi
    unmount_groups
    exec unshare --cgroup --pid --fork --kill-child --mount --mount-proc --uts --ipc \
        sh -c 'hostname "$1"; shift; exec sh "$0" --inside "$@"' "$0" "${1##*/}" "$@"
fi
