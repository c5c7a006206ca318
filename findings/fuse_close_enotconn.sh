#!/usr/bin/env bash
# Linux 6.18, bindfs 1.14.7: close(2) of a file fails with ENOTCONN when the server of its FUSE mount has
# died. close(2) of the manual pages has EBADF, EINTR, EIO, ENOSPC and EDQUOT. The descriptor is closed all
# the same, so that a program that tries again closes another file that has got the number since.
# In Python, the end of `with open(...)` raises, though nothing was written.
#
# Valid input: a file that was opened for reading on a bindfs mount, and the end of bindfs (SIGKILL).
# Needs root and /dev/fuse. Output:
#     read: [Errno 107] Transport endpoint is not connected
#     close: [Errno 107] Transport endpoint is not connected
#     close again: [Errno 9] Bad file descriptor
# Status 0 while this is so, 1 when it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get -qq -o APT::Sandbox::User=root download bindfs=1.14.7-1 libfuse2=2.9.9-6+b1
for package in *.deb; do
    dpkg-deb -x "$package" root
done
mkdir files mount
echo text >files/file

seen=$(unshare --mount --propagation private bash -euo pipefail -s <<'SCRIPT'
libraries=$(echo "$PWD"/root/lib/*-linux-gnu* | tr ' ' :)
LD_LIBRARY_PATH=$libraries root/usr/bin/bindfs -f files mount &
server=$!
until [ -e mount/file ]; do
    kill -0 "$server"
    sleep 0.05
done
python3 - "$server" <<'PYTHON'
import os
import signal
import sys

server = int(sys.argv[1])
file = os.open("mount/file", os.O_RDONLY)
os.kill(server, signal.SIGKILL)
while os.path.exists("mount/file"):
    pass
for name, call in (
    ("read", lambda: os.read(file, 10)),
    ("close", lambda: os.close(file)),
    ("close again", lambda: os.close(file)),
):
    try:
        print(f"{name}: {call()}")
    except OSError as error:
        print(f"{name}: {error}")
PYTHON
umount -l mount
SCRIPT
)
echo "$seen"
[ "$seen" = "read: [Errno 107] Transport endpoint is not connected
close: [Errno 107] Transport endpoint is not connected
close again: [Errno 9] Bad file descriptor" ]
