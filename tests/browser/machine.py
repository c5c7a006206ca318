"""A simulated node: its numbers are a function of its seed and the time."""

import math
import random
import time
from typing import Any

import msgspec

from nodnod_client.sections import (
    Cores,
    Cpu,
    DiskIo,
    Fan,
    Filesystem,
    Load,
    Memory,
    NetworkIo,
    Pressure,
    Process,
    Processes,
    Sensors,
    ServiceProblem,
    Services,
    ServiceUse,
    Stall,
    System,
    Temperature,
)

GIB = 2**30


class SimulatedNode:
    """One node. Its history agrees with its earlier answers."""

    def __init__(self, name: str, seed: int) -> None:
        rng = random.Random(seed)
        self.name = name
        self.error = ""
        self.state = "up"
        self.silent = False
        """Whether it is listed with zeros, as a node that does not answer."""
        self.kept: tuple[str, float] | None = None
        """Who has kept its past while it is silent, and until when."""
        self.detail: dict[str, Any] = {}
        """Sections that replace the usual ones."""
        self.forgotten: tuple[str, ...] = ()
        """Fields that its history lacks."""
        self.version = 2
        self.tags: dict[str, str] = {}
        self.cores = rng.choice([4, 8, 8, 16, 32])
        self.memory = rng.choice([8, 16, 32, 64]) * GIB
        self.disk = rng.choice([100, 250, 500, 2000]) * 10**9
        self.since = time.time() - rng.uniform(3600, 40 * 86400)
        self._load = min(0.97, rng.betavariate(1.6, 4.5) + 0.02)
        self._memory = rng.betavariate(3, 3.2)
        self._disk = rng.betavariate(2.4, 2.2)
        self._traffic = 10 ** rng.uniform(3.5, 7.4)
        self._phase = rng.uniform(0, 100)
        self._seed = seed

    def cpu_at(self, moment: float) -> float:
        """Percent."""
        slow = (
            math.sin(moment / 61 + self._phase) * 0.18 + math.sin(moment / 17 + self._phase) * 0.1
        )
        jitter = 0.17 * self._jitter(moment)
        return round(
            100 * min(1, max(0.004, self._load * (1 + slow) + jitter * (0.3 + self._load))), 2
        )

    def traffic_at(self, moment: float) -> float:
        """Bytes per second received."""
        jitter = 0.5 * self._jitter(moment + 0.5)
        return round(
            max(0, self._traffic * (1 + 0.4 * math.sin(moment / 29 + self._phase) + jitter)), 1
        )

    def _jitter(self, moment: float) -> float:
        """A number from -0.5 to 0.5 for each half second. Seeding a generator would take too long."""
        mixed = (int(2 * moment) * 2_654_435_761 + self._seed * 40_503) % 2**32
        return ((mixed ^ (mixed >> 15)) * 2_246_822_519 % 2**32) / 2**32 - 0.5

    def answer(self, request: dict[str, Any], now: float) -> dict[str, Any]:
        """The node's object in an answer."""
        stats: dict[str, Any] = {"name": self.name, "cpuUsed": self.cpu_at(now)}
        for kind, total, share in (
            ("disk", self.disk, self._disk),
            ("memory", self.memory, self._memory + 0.02 * math.sin(now / 40 + self._phase)),
        ):
            used = int(total * share)
            stats |= {f"{kind}Total": total, f"{kind}Used": used}
            stats[f"{kind}UsedPercent"] = 100 * used / total
        if self.silent:
            stats = {name: 0 if name != "name" else value for name, value in stats.items()}
        stats["error"] = self.error
        if not self.silent and self.version == 2:
            if request.get("detail"):
                sections = self._sections(now)
                stats["detail"] = {name: sections.get(name) for name in request["detail"]}
            if request.get("history"):
                stats["history"] = self._history(now, request)
        elif self.kept is not None and request.get("history", 0) >= 10:
            keeper, end = self.kept
            stats["history"] = self._history(end, request) | {"keptBy": keeper}
        return stats

    def _history(self, now: float, request: dict[str, Any]) -> dict[str, Any]:
        seconds = int(request["history"])
        every = max(1, math.ceil(seconds / 600))
        known = "until" in request and "until" not in self.forgotten
        until = request["until"] // every * every if known else None
        now = now if until is None else min(now, until)
        moments = [now - i * every for i in range(seconds // every)][::-1]
        traffic = [self.traffic_at(moment) for moment in moments]
        memory = round(100 * self._memory, 2)
        cpu = [self.cpu_at(moment) for moment in moments]
        history = {
            "every": float(every),
            "end": now,
            **({} if until is None else {"until": until}),
            "cpuUsed": cpu,
            "cpuUser": [round(share * 0.8, 2) for share in cpu],
            "cpuSystem": [round(share * 0.2, 2) for share in cpu],
            "cpuIowait": [0.4] * len(cpu),
            "cpuSteal": [0.0] * len(cpu),
            "memoryUsedPercent": [memory] * len(moments),
            "recvBytes": traffic,
            "sentBytes": [round(value * 0.4, 1) for value in traffic],
            "load1": [round(share * self.cores / 100, 2) for share in cpu],
            "readBytes": [round(value * 0.7, 1) for value in traffic],
            "writeBytes": [round(value * 0.2, 1) for value in traffic],
        }
        if every > 1:
            for name in ("cpuUsed", "recvBytes", "sentBytes"):
                history[f"{name}Max"] = [round(1.3 * value, 2) for value in history[name]]
        return {name: value for name, value in history.items() if name not in self.forgotten}

    def _sections(self, now: float) -> dict[str, Any]:
        cpu, traffic = self.cpu_at(now), self.traffic_at(now)
        used = int(self.memory * self._memory)
        used_disk = int(self.disk * self._disk)
        available = self.memory - used
        cores = [min(100, max(0, cpu + 12 * math.sin(now / 7 + i))) for i in range(self.cores)]
        processes = [
            Process(
                *(1200 + i, f"worker-{i}", "app", cpu / (i + 1), used // (i + 3)),
                *("sleeping", 4 + i, self.since + 60, traffic / (i + 2), 4096.0),
            )
            for i in range(15)
        ]
        sections = {
            "system": System(
                "Debian GNU/Linux 12 (bookworm)",
                "Linux 6.1.0",
                "x86_64",
                Cores(self.cores, self.cores // 2),
                self.since,
                "2.0.0",
                "3.11.7",
                "host",
            ),
            "cpu": Cpu(cpu, cpu * 0.8, cpu * 0.2, 0.4, 0.0, cores, 2596.1),
            "load": Load(1.2, 1.0, 0.8),
            "memory": Memory(
                self.memory,
                used,
                available,
                available // 2,
                self.memory // 50,
                2 * GIB,
                300 * 2**20,
            ),
            "filesystems": [
                Filesystem(
                    "/", "/dev/vda", "ext4", self.disk, used_disk, self.disk - used_disk, 4.2, True
                ),
                Filesystem(
                    "/boot/efi", "/dev/vdb", "vfat", 2**29, 2**23, 2**29 - 2**23, None, True
                ),
            ],
            "diskio": {"vda": DiskIo(82e3, 2.3e6, 4.0, 61.0, 7.1)},
            "network": {"eth0": NetworkIo(traffic, traffic * 0.4, 812.0, 0.0, 0.0)},
            "pressure": Pressure(Stall(4.12, 0.0), Stall(0.0, 0.0), Stall(0.3, 0.1)),
            "sensors": Sensors(
                [Temperature("Package id 0", 61.0, 100.0)], [Fan("fan1", 2300.0)], None
            ),
            "processes": Processes(311, processes, processes, processes),
            "services": Services(
                87,
                1,
                [ServiceProblem("backup.service", "failed", self.since, "exit-code", 0, 2, None)],
                [ServiceUse("app.service", cpu, used // 3), ServiceUse("db.service", 1.5, used)],
                [ServiceUse("db.service", 1.5, used), ServiceUse("app.service", cpu, used // 3)],
            ),
            "gpu": None,
            "containers": None,
        }
        return {name: msgspec.to_builtins(value) for name, value in sections.items()} | self.detail
