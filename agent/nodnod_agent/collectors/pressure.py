"""The ``pressure`` section: the share of time that tasks wait for CPU, memory and I/O."""

import errno

from nodnod_agent.collectors.kernel_files import OptionalFile
from nodnod_client.sections import Pressure, Stall

_RESOURCES = ("cpu", "memory", "io")


def parse_pressure(data: bytes) -> Stall | None:
    """One file of /proc/pressure: ``avg10`` of its ``some`` and ``full`` lines.

    Kernels before 5.13 have no ``full`` line for the CPU. A share outside 0-100 is passed over.
    """
    found: dict[bytes, float] = {}
    for line in data.split(b"\n"):
        kind, *pairs = line.split() or [b""]
        for pair in pairs:
            name, _, value = pair.partition(b"=")
            if name == b"avg10" and 0 <= float(value) <= 100:
                found[kind] = float(value)
    some = found.get(b"some")
    return None if some is None else Stall(some, found.get(b"full"))


class PressureCollector:
    """Reads /proc/pressure of Linux; there is no section if the kernel has no PSI."""

    def __init__(self, directory: str = "/proc/pressure") -> None:
        self._files = {name: OptionalFile(f"{directory}/{name}") for name in _RESOURCES}

    def read(self, now: float) -> Pressure | None:
        """The current section; a resource that cannot be read is None. Raises if none can be."""
        stalls: dict[str, Stall | None] = dict.fromkeys(_RESOURCES)
        fault: Exception | None = None
        for name, file in tuple(self._files.items()):
            try:
                stalls[name] = parse_pressure(file.read() or b"")
            except (OSError, ValueError) as error:
                if getattr(error, "errno", None) == errno.EOPNOTSUPP:
                    # Booted with psi=0: the file can be opened, but not read.
                    del self._files[name]
                else:
                    fault = error
        if any(stalls.values()):
            return Pressure(**stalls)
        if fault is not None:
            raise fault
        return None
