"""What a filesystem is stored on: the devices at the bottom of its block device."""

import os
import re

from nodnod_agent.collectors.mountinfo import MountEntry

_FILE_OR_MEMORY = re.compile(r"(loop|z?ram)\d")


def without_storage(entry: MountEntry, sysfs: str = "/sys") -> bool:
    """Whether a filesystem is stored in files of other filesystems, or in memory.

    Partitions, encryption and volume managers may lie between. A snapshot of LVM has no storage
    either: its bytes are those of its origin, and what has changed is on a device named "…-cow".
    """
    if not entry.device.startswith("0:"):
        device = f"{sysfs}/dev/block/{entry.device}"
    elif entry.source.startswith("/dev/"):  # btrfs, which has no device number of its own
        device = f"{sysfs}/class/block/{os.path.basename(os.path.realpath(entry.source))}"
    else:
        return False
    lowest, devices = [], [device]
    while devices:
        device = os.path.realpath(devices.pop())
        if os.path.exists(f"{device}/partition"):
            device = os.path.dirname(device)
        try:
            below = os.listdir(f"{device}/slaves")
        except OSError:  # sysfs does not describe it
            below = []
        if any(_name(f"{device}/slaves/{name}").endswith("-cow") for name in below):
            return True
        devices += [f"{device}/slaves/{name}" for name in below]
        if not below:
            lowest.append(os.path.basename(device))
    return all(_FILE_OR_MEMORY.match(name) for name in lowest)


def _name(device: str) -> str:
    """The name that device mapper has given a device, if it is one of its own."""
    try:
        with open(f"{device}/dm/name", encoding="utf-8", errors="replace") as file:
            return file.read().rstrip("\n")
    except OSError:
        return ""
