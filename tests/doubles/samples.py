"""A sample of a machine with every section, and metrics parsed as Prometheus does."""

from collections.abc import Mapping
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from core.harness import CoreHarness, FakePeer
from nodnod_agent.collectors.moment import Timing
from nodnod_agent.core.stats.sample import Sample
from nodnod_agent.http.metrics import Metrics
from nodnod_client.codec import encode
from nodnod_client.sections import (
    Battery,
    Container,
    Containers,
    Cores,
    Cpu,
    Custom,
    CustomFile,
    CustomNumber,
    DiskIo,
    Fan,
    Filesystem,
    Gpu,
    Load,
    Memory,
    NetworkIo,
    Pressure,
    Process,
    Processes,
    ProcessSums,
    Sensors,
    ServiceProblem,
    Services,
    ServiceUse,
    Stall,
    System,
    Temperature,
)

GIB = 1 << 30

TIMINGS = {"cpu": Timing(0.0005, 0), "gpu": Timing(0.25, 3), "sensors": Timing(0.0, 0)}

SECTIONS: Mapping[str, Any] = {
    "system": System(
        "Debian", "6.1", "x86_64", Cores(4, 2), 1.7e9, "2.0", "3.11", "container", 1.5, 8 * GIB
    ),
    "cpu": Cpu(12.5, 8.0, 4.0, 0.5, 0.25, [10.0, None, 20.0, 5.0], 2400.0),
    "load": Load(0.5, 0.25, 0.125),
    "memory": Memory(16 * GIB, 4 * GIB, 12 * GIB, 3 * GIB, GIB, 2 * GIB, GIB),
    "filesystems": [
        Filesystem("/", "/dev/vda1", "ext4", 100, 40, 50, 12.5, True, 45),
        Filesystem("/mnt/lost", "nas:/x", "nfs", 0, 0, 0, None, False, stuck_since=1.7e9),
        Filesystem("/mnt/old", "nas:/y", "nfs", 10, 4, 6, None, False, stuck_since=1.7e9),
    ],
    "diskio": {"vda": DiskIo(1000.0, 2000.0, 10.0, 20.0, 50.0)},
    "network": {"eth0": NetworkIo(100.0, 200.0, 3.0, 0.5, 0.25)},
    "pressure": Pressure(Stall(25.0, 0.0), Stall(5.0, 2.5), Stall(50.0, None)),
    "sensors": Sensors(
        [
            Temperature("coretemp Core 0", 60.0, 100.0),
            Temperature("coretemp Core 0", 61.0),
        ],
        [Fan("thinkpad", 2500.0)],
        Battery(50.0, True, 3600.0),
    ),
    "services": Services(
        90,
        1,
        [
            ServiceProblem("web.service", "failed", 1.7e9, "exit-code", 5, 3, None),
            ServiceProblem("loop.service", "auto-restart", None, "signal", None, None, 9),
            ServiceProblem("gone.service", "failed", None, "", None, None, None, error="no such"),
        ],
        [ServiceUse("db.service", 250.0, GIB), ServiceUse("new.service", None, None)],
        [ServiceUse("db.service", 250.0, GIB), ServiceUse("big.service", 0.0, 2 * GIB)],
        error="control groups: odd",
    ),
    "processes": Processes(
        123,
        [Process(1, "init", "root", 0.5, 1000)],
        [],
        sums=ProcessSums(3, 250.0, GIB, 12, 100.0, 50.0),
    ),
    "gpu": [Gpu("Tesla", 75.0, 4 * GIB, GIB, 70.0, 150.5)],
    "containers": Containers(
        2,
        [
            Container(
                "0123456789ab" + 52 * "c",
                "web",
                "docker",
                "nginx:1",
                "running",
                "healthy",
                1.7e9,
                12.5,
                0.5,
                100.0,
                GIB,
                2 * GIB,
                1.0,
                2.0,
                3.0,
                4.0,
                5,
                6,
            ),
            Container("ba9876543210" + 52 * "d", "", "containerd"),
        ],
    ),
    "custom": Custom(
        [
            CustomFile("jobs.prom", 1.7e9, stale=False, error="line 7 is no metric"),
            CustomFile("old.json", 1.6e9, stale=True),
            CustomFile("link.prom", None, stale=False, error="not a regular file"),
        ],
        [
            CustomNumber("jobs.prom", "jobs", 3.0, {"node": "a", "queue": "mail"}),
            CustomNumber("old.json", "backup_age", 1.0),
        ],
    ),
}


def full_sample(**fields: Any) -> Sample:
    """A sample with every section; ``fields`` change it."""
    sample: dict[str, Any] = {
        "time": 1.7e9,
        "cpu_used": 12.5,
        "disk_total": 1000,
        "disk_used": 250,
        "memory_total": 16 * GIB,
        "memory_used": 4 * GIB,
        "sections": {name: encode(section) for name, section in SECTIONS.items()},
    }
    return Sample(**sample | fields)


class Scrape:
    """A parsed page of metrics."""

    def __init__(self, page: bytes) -> None:
        self.families = list(text_string_to_metric_families(page.decode()))
        self.values: dict[str, float] = {}
        self.labels: list[tuple[str, str]] = []
        for family in self.families:
            for sample in family.samples:
                key = _key(sample.name, sample.labels)
                assert key not in self.values, f"duplicate series {key}"
                self.values[key] = sample.value
                self.labels += sample.labels.items()

    def __call__(self, name: str, **labels: str) -> float | None:
        """The value of a series; None if there is no such series."""
        return self.values.get(_key(name, labels))

    @property
    def names(self) -> set[str]:
        return {sample.name for family in self.families for sample in family.samples}

    def of(self, label: str) -> list[str]:
        """The values of a label, each once."""
        return sorted({value for name, value in self.labels if name == label})


def _key(name: str, labels: Mapping[str, str]) -> str:
    return name + repr(sorted(labels.items()))


def scrape(harness: CoreHarness) -> Scrape:
    return Scrape(Metrics(harness.node, lambda: TIMINGS).of_node())


def scrape_cluster(harness: CoreHarness, *answering: FakePeer, **request: Any) -> Scrape:
    """The page of the cluster; the other peers do not answer."""
    client = harness.ask_all(**request)
    for peer in answering:
        peer.answer()
    harness.clock.advance(3)
    return Scrape(Metrics(harness.node, dict).of_cluster(client.wire.sent[-1]))


def scrape_peer(harness: CoreHarness, **fields: Any) -> Scrape:
    """The page of the cluster where the one peer, kyle, answers with these fields."""
    peer = harness.peer("kyle")
    client = harness.ask_all(detail=["load", "filesystems", "cpu"])
    peer.answer(**fields)
    return Scrape(Metrics(harness.node, dict).of_cluster(client.wire.sent[-1]))
