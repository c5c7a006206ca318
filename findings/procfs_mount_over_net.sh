#!/usr/bin/env bash
# Linux 6.18: a file that is bound over /proc/PID/net/dev is gone with the next look at it. mount(8)
# succeeds, and /proc/PID/mountinfo has the mount; then any lookup of the path drops it without a word,
# and the kernel's own file is read. A file bound over /proc/PID/stat stays. (Names below /proc/PID/net
# are looked up anew each time, since the process may be in another network namespace by then.) So a
# test or a container cannot hide /proc/net/dev this way, though it can hide others.
#
# Valid input: `mount --bind FILE /proc/PID/net/dev` in a mount namespace of its own; util-linux 2.38.1.
# Needs root. Output:
#     stat: mounts 1, reads fake, mounts 1
#     net/dev: mounts 1, reads the kernel's, mounts 0
# Status 0 while this is so, 1 when it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
echo fake >"$folder/file"

try() {
    sleep 60 &
    unshare --mount --propagation private bash -s "$1" "$!" "$folder/file" <<'SCRIPT'
path=/proc/$2/$1
mounts() { grep -c " $path " /proc/self/mountinfo || true; }
mount --bind "$3" "$path"
before=$(mounts)
read -r line <"$path"
[ "$line" = fake ] && reads=fake || reads="the kernel's"
echo "$1: mounts $before, reads $reads, mounts $(mounts)"
SCRIPT
    kill "$!"
}

seen=$(try stat; try net/dev)
echo "$seen"
[ "$seen" = "stat: mounts 1, reads fake, mounts 1
net/dev: mounts 1, reads the kernel's, mounts 0" ]
