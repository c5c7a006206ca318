"""The CPUs of this machine, by the kernel's numbers; some of them may be offline."""

import os

from nodnod_agent.collectors.kernel_files import OptionalFile

_SYSTEM = "/sys/devices/system/cpu"


def parse_cpu_list(data: bytes) -> frozenset[int]:
    """The kernel's list format, ``0,4,8-11``. Raises ValueError."""
    found: set[int] = set()
    for part in data.strip().split(b","):
        if part:
            first, _, last = part.partition(b"-")
            found.update(range(int(first), int(last or first) + 1))
    return frozenset(found)


class CpuSet:
    """The CPUs of the kernel that are online, whatever a container is shown."""

    def __init__(self, directory: str = _SYSTEM) -> None:
        self._present = OptionalFile(f"{directory}/present")
        self._offline = OptionalFile(f"{directory}/offline")

    def count(self) -> int:
        """How many are online. Raises OSError, ValueError."""
        # lxcfs has a file `online` of its own, and hands through the others.
        present, offline = self._present.read(), self._offline.read()
        if present is None or offline is None:
            return os.cpu_count() or 1
        return len(parse_cpu_list(present) - parse_cpu_list(offline)) or 1
