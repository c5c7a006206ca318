"""What a filesystem is stored on: the devices at the bottom of its block device."""

import os
import re

from nodnod_agent.collectors.mountinfo import MountEntry

_FILE_OR_MEMORY = re.compile(r"(loop|z?ram)\d")


def without_storage(entry: MountEntry, sysfs: str = "/sys") -> bool:
    """Whether a filesystem is stored in files of other filesystems, or in memory.

    Partitions, encryption and volume managers may lie between.
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
        devices += [f"{device}/slaves/{name}" for name in below]
        if not below:
            lowest.append(os.path.basename(device))
    return all(_FILE_OR_MEMORY.match(name) for name in lowest)
