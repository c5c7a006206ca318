"""The section of containers, on made-up trees of cgroup v2, v1 and both."""

import os
from collections.abc import Iterable
from pathlib import Path

import pytest
from msgspec import UNSET

from nodnod_agent.collectors.container_engines import Engines, Known
from nodnod_agent.collectors.container_groups import Trees
from nodnod_agent.collectors.containers import LIMITS_EVERY, MAX_ROWS, ContainersCollector
from nodnod_agent.collectors.processes import NotReady
from nodnod_client.sections import Container, Containers

ID, OTHER = "0123456789abcdef" * 4, "f" * 64
CORES = 4
NET = """Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo
    lo: 5000 1 0 0 0 0 0 0 5000 1 0 0 0 0 0 0
  eth0: {received} 1 0 0 0 0 0 0 {sent} 1 0 0 0 0 0 0
"""


class FakeEngines(Engines):
    """Knows these containers at once."""

    def __init__(self, known: dict[str, Known] | None = None, error: str = "") -> None:
        self.known = known
        self.error = error
        super().__init__([], "/nonexistent", run=lambda work: work())

    def ask(self, now: float) -> None:
        super().ask(now)
        assert self.answers
        if self.known is not None or self.error:
            errors = (self.error,) if self.error else ()
            self.answers = self.answers._replace(
                containers=self.known or {}, errors=errors, engine=True
            )


class MadeUp:
    """A /proc and cgroup trees of files, which a collector reads."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.proc = root / "proc"
        self._mounts: list[str] = []
        self.write("proc/self/net/dev", NET)
        self.write("proc/stat", "cpu 1 2 3\nbtime 1700000000\n")
        self.mount()

    def write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def mount(self, *trees: tuple[str, str, str]) -> None:
        """Mount trees: directory, type and options."""
        table = [
            f"{20 + number} 1 0:{20 + number} / {self.root / name} rw - {type_} none {options}\n"
            for number, (name, type_, options) in enumerate(trees)
        ]
        self.write("proc/self/mountinfo", "".join(table))

    def process(self, pid: int, group: str, start: int = 12345) -> None:
        """A process in all groups of this path, with a network of its own."""
        self.write(f"proc/{pid}/stat", f"{pid} (a ) b) S {'1 ' * 18}{start} 0 0\n")
        self.write(f"proc/{pid}/cgroup", f"9:name=systemd:{group}\n0::{group}\n")
        self.traffic(pid, 0, 0)

    def traffic(self, pid: int, received: int, sent: int) -> None:
        self.write(f"proc/{pid}/net/dev", NET.format(received=received, sent=sent))

    def collector(self, engines: Engines | None = None) -> ContainersCollector:
        return ContainersCollector(
            lambda: Trees(str(self.proc), str(self.root / "sys")),
            lambda: engines or FakeEngines(),
            CORES,
        )


@pytest.fixture
def made_up(tmp_path: Path) -> MadeUp:
    return MadeUp(tmp_path)


def v2(made_up: MadeUp, group: str, pids: Iterable[int], **files: str) -> None:
    """A group of cgroup v2; ``files`` replace some, a dot being two underscores."""
    made_up.mount(("cg", "cgroup2", "rw,nsdelegate"))
    made_up.write("cg/cgroup.controllers", "cpuset cpu io memory pids\n")
    usual = {
        "cgroup.procs": "".join(f"{pid}\n" for pid in pids),
        "cgroup.events": "populated 1\nfrozen 0\n",
        "cpu.stat": "usage_usec 5000000\nuser_usec 1\nsystem_usec 1\n",
        "cpu.max": "50000 100000\n",
        "memory.current": "3000000\n",
        "memory.max": "4000000\n",
        "memory.stat": "anon 5\nactive_inactive_file 7\ninactive_file 1000000\nactive_file 3\n",
        "io.stat": "8:0 rbytes=1000 wbytes=2000 rios=1 wios=1 dbytes=0 dios=0\n253:0\n",
    }
    for name, text in (
        usual | {key.replace("__", "."): text for key, text in files.items()}
    ).items():
        made_up.write(f"cg{group}/{name}", text)


def section(collector: ContainersCollector, now: float) -> Containers:
    found = collector.read(now)
    assert isinstance(found, Containers)
    return found


def row(collector: ContainersCollector, now: float) -> Container:
    (found,) = section(collector, now).containers
    return found


DOCKER = f"/system.slice/docker-{ID}.scope"


def test_a_container_of_v2_has_all_numbers(made_up: MadeUp) -> None:
    v2(made_up, DOCKER, [10, 11])
    made_up.process(10, DOCKER, start=1000)
    made_up.process(11, DOCKER, start=900)
    known = {ID: Known("docker", "web", "nginx:1", "running", "healthy", restarts=2)}
    collector = made_up.collector(FakeEngines(known))

    assert isinstance(collector.read(1.0), NotReady)
    v2(
        made_up, DOCKER, [10, 11],
        cpu__stat="usage_usec 6000000\nuser_usec 1\n",
        io__stat="8:0 rbytes=3000 wbytes=2500 rios=1 wios=1\n",
    )  # fmt: skip
    made_up.traffic(11, 400, 100)

    assert section(collector, 3.0) == Containers(
        1,
        [
            Container(
                id=ID,
                name="web",
                engine="docker",
                image="nginx:1",
                state="running",
                health="healthy",
                since=1700000000 + 900 / os.sysconf("SC_CLK_TCK"),
                cpu=12.5,  # half a core of four
                cpu_limit=0.5,
                cpu_of_limit=100.0,
                memory_used=2000000,
                memory_limit=4000000,
                read_bytes=1000.0,
                write_bytes=250.0,
                recv_bytes=200.0,
                sent_bytes=50.0,
                processes=2,
                restarts=2,
            )
        ],
    )


V1 = f"/docker/{ID}"
ON_V1 = [("v1/systemd", "cgroup", "rw,name=systemd")] + [
    (f"v1/{name}", "cgroup", f"rw,{name}")
    for name in ("memory", "cpu", "cpuacct", "blkio", "freezer")
]


def v1(made_up: MadeUp, group: str, cpu: int = 0, read: int = 0, freezer: str = "THAWED") -> None:
    """A group of cgroup v1, one file per tree."""
    made_up.mount(*ON_V1)
    name = "throttle.io_service_bytes_recursive"
    for path, text in {
        "systemd{}/cgroup.procs": "10\n",
        "cpuacct{}/cpuacct.usage": f"{cpu}\n",
        "cpu{}/cpu.cfs_quota_us": "200000\n",
        "cpu{}/cpu.cfs_period_us": "100000\n",
        "memory{}/memory.usage_in_bytes": "3000000\n",
        "memory{}/memory.limit_in_bytes": "9223372036854771712\n",
        "memory{}/memory.stat": "inactive_file 5\ntotal_inactive_file 1000000\n",
        "blkio{}/blkio." + name: f"8:0 Read {read}\n8:0 Write 7\n8:0 Total {read + 7}\nTotal 9\n",
        "freezer{}/freezer.state": f"{freezer}\n",
    }.items():
        made_up.write("v1/" + path.format(group), text)


def check_v1(made_up: MadeUp, group: str) -> None:
    v1(made_up, group)
    collector = made_up.collector()
    collector.read(1.0)
    v1(made_up, group, cpu=500_000_000, read=300, freezer="FROZEN")
    found = row(collector, 2.0)
    assert (found.cpu, found.cpu_limit, found.cpu_of_limit) == (12.5, 2.0, 25.0)
    assert (found.memory_used, found.memory_limit) == (2000000, None)
    assert (found.read_bytes, found.write_bytes, found.processes) == (300.0, 0.0, 1)
    assert found.state == "paused"


def test_a_container_of_v1_has_all_numbers(made_up: MadeUp) -> None:
    made_up.process(10, V1)
    check_v1(made_up, V1)


def test_a_directory_that_is_made_after_the_others_is_found_later(made_up: MadeUp) -> None:
    v1(made_up, V1)
    made_up.process(10, V1)
    os.rename(made_up.root / "v1/memory", made_up.root / "v1/later")
    collector = made_up.collector()
    collector.read(1.0)
    assert row(collector, 2.0).memory_used is None
    os.rename(made_up.root / "v1/later", made_up.root / "v1/memory")
    assert row(collector, 1.0 + LIMITS_EVERY).memory_used == 2000000


def test_on_a_mixed_machine_the_empty_files_of_v2_do_not_count(made_up: MadeUp) -> None:
    v2(
        made_up,
        V1,
        [],
        cpu__stat="usage_usec 0\n",
        memory__current="0\n",
        cgroup__events="frozen 0\n",
    )
    made_up.write("cg/cgroup.controllers", "hugetlb\n")
    ON_V1.append(("cg", "cgroup2", "rw"))
    try:
        made_up.process(10, V1)
        check_v1(made_up, V1)
    finally:
        ON_V1.pop()


def test_a_path_that_differs_between_trees_is_found_by_a_process(made_up: MadeUp) -> None:
    v1(made_up, V1)
    made_up.process(10, V1)
    made_up.write("proc/10/cgroup", f"4:memory:/outer{V1}/init.scope\n9:name=systemd:{V1}\n")
    (made_up.root / "v1/memory/outer/docker").mkdir(parents=True)
    os.rename(made_up.root / f"v1/memory{V1}", made_up.root / f"v1/memory/outer{V1}")
    collector = made_up.collector()
    collector.read(1.0)
    assert row(collector, 2.0).memory_used == 2000000


def test_processes_of_groups_inside_count_too(made_up: MadeUp) -> None:
    v2(made_up, "/lxc.payload.web", [])
    made_up.write("cg/lxc.payload.web/system.slice/ssh.service/cgroup.procs", "10\n11\n")
    made_up.write("cg/lxc.payload.web/init.scope/cgroup.procs", "12\n")
    collector = made_up.collector()
    collector.read(1.0)
    found = section(collector, 2.0)
    assert found.note is UNSET
    assert [(one.name, one.engine, one.state, one.processes) for one in found.containers] == [
        ("web", "lxc", "running", 3)
    ]


def test_a_container_in_the_network_of_the_machine_has_no_traffic(made_up: MadeUp) -> None:
    v2(made_up, DOCKER, [10])
    made_up.process(10, DOCKER)
    (made_up.proc / "10/net/dev").unlink()
    os.link(made_up.proc / "self/net/dev", made_up.proc / "10/net/dev")
    collector = made_up.collector()
    collector.read(1.0)
    found = row(collector, 2.0)
    assert (found.recv_bytes, found.sent_bytes, found.cpu) == (None, None, 0.0)


def test_the_program_that_runs_a_machine_of_nspawn_is_not_inside(made_up: MadeUp) -> None:
    group = "/machine.slice/systemd-nspawn@deb.service"
    v2(made_up, group, [10])
    made_up.process(10, group, start=100)
    (made_up.proc / "10/net/dev").unlink()
    os.link(made_up.proc / "self/net/dev", made_up.proc / "10/net/dev")
    collector = made_up.collector()
    collector.read(1.0)
    assert row(collector, 2.0).recv_bytes is None
    made_up.write(f"cg{group}/payload/init.scope/cgroup.procs", "11\n")
    made_up.process(11, f"{group}/payload/init.scope", start=200)
    row(collector, 3.0)
    made_up.traffic(11, 500, 100)
    found = row(collector, 4.0)
    assert (found.recv_bytes, found.sent_bytes) == (500.0, 100.0)
    assert found.since == 1700000000 + 200 / os.sysconf("SC_CLK_TCK")


def test_a_container_that_goes_between_two_readings_is_gone(made_up: MadeUp) -> None:
    v2(made_up, DOCKER, [10])
    made_up.process(10, DOCKER)
    collector = made_up.collector(FakeEngines({}))
    collector.read(1.0)
    os.rename(made_up.root / f"cg{DOCKER}", made_up.root / "gone")
    assert section(collector, 2.0) == Containers(0, [])


def test_files_that_are_absent_or_not_for_this_user_are_unknown_numbers(made_up: MadeUp) -> None:
    made_up.mount(("cg", "cgroup2", "rw"))
    made_up.write("cg/cgroup.controllers", "memory\n")
    made_up.write(f"cg{DOCKER}/cgroup.procs", "0\n0\n")
    collector = made_up.collector()
    collector.read(1.0)
    assert row(collector, 2.0) == Container(ID, "", "docker", state="running", processes=2)


def test_a_new_container_has_rates_from_its_second_reading(made_up: MadeUp) -> None:
    v2(made_up, DOCKER, [10])
    collector = made_up.collector()
    collector.read(1.0)
    v2(made_up, f"/docker/{OTHER}", [20])
    cpu = {one.id: one.cpu for one in section(collector, 2.0).containers}
    assert cpu == {ID: 0.0, OTHER: None}
    assert [one.cpu for one in section(collector, 3.0).containers] == [0.0, 0.0]


def test_a_change_of_a_limit_is_seen_after_five_seconds(made_up: MadeUp) -> None:
    v2(made_up, DOCKER, [10])
    collector = made_up.collector()
    collector.read(1.0)
    v2(made_up, DOCKER, [10], cpu__max="max 100000\n", memory__max="max\n")
    assert row(collector, 2.0).cpu_limit == 0.5
    found = row(collector, 1.0 + LIMITS_EVERY)
    assert (found.cpu_limit, found.cpu_of_limit, found.memory_limit) == (None, None, None)


def test_statistics_that_are_older_than_the_usage_do_not_make_it_negative(made_up: MadeUp) -> None:
    v2(made_up, DOCKER, [10], memory__current="999\n", memory__stat="inactive_file 1000\n")
    collector = made_up.collector()
    collector.read(1.0)
    assert row(collector, 2.0).memory_used == 999


def test_without_a_socket_the_numbers_stand_alone_and_the_section_says_why(made_up: MadeUp) -> None:
    v2(made_up, DOCKER, [10])
    collector = made_up.collector()
    collector.read(1.0)
    found = section(collector, 2.0)
    assert found.note == "no socket of Docker or Podman, which know the names"
    assert [(one.id, one.name, one.image) for one in found.containers] == [(ID, "", None)]


def test_the_error_of_an_engine_is_the_note(made_up: MadeUp) -> None:
    v2(made_up, DOCKER, [10])
    collector = made_up.collector(FakeEngines(error="/run/docker.sock: permission denied"))
    collector.read(1.0)
    assert section(collector, 2.0).note == "/run/docker.sock: permission denied"


def test_containers_unknown_to_the_engine_are_counted_in_the_note(made_up: MadeUp) -> None:
    v2(made_up, f"/k8s.io/{OTHER}", [10])
    collector = made_up.collector(FakeEngines({}))
    collector.read(1.0)
    assert section(collector, 2.0).note == (
        "1 of the containers are not known to an engine that can be asked"
    )


def test_an_engine_that_has_not_answered_yet_delays_nothing(made_up: MadeUp) -> None:
    v2(made_up, DOCKER, [10])
    collector = made_up.collector(Engines([], "/nonexistent", run=lambda work: None))
    collector.read(1.0)
    assert section(collector, 2.0).note == "the engines have not answered yet"


def test_stopped_containers_follow_the_others_and_infra_containers_are_none(
    made_up: MadeUp,
) -> None:
    v2(made_up, f"/libpod_parent/libpod-{ID}", [10])
    infra = "e" * 64
    v2(made_up, f"/libpod_parent/libpod-{infra}", [20])
    engines = FakeEngines({
        infra: Known("podman", "pod-infra", infra=True),
        OTHER: Known("podman", "old", "busybox", "exited"),
        "d" * 64: Known("podman", "known once", "busybox"),
        ID: Known("podman", "web", "nginx", "paused"),
    })  # fmt: skip
    collector = made_up.collector(engines)
    collector.read(1.0)
    found = section(collector, 2.0)
    assert found.count == 2
    assert [(one.name, one.state, one.processes) for one in found.containers] == [
        ("web", "paused", 1),
        ("old", "exited", None),
    ]


def test_of_ten_thousand_containers_only_some_are_read(made_up: MadeUp) -> None:
    v2(made_up, DOCKER, [10])
    for number in range(10_000):
        os.mkdir(made_up.root / f"cg/system.slice/docker-{number:064x}.scope")
    collector = made_up.collector()
    collector.read(1.0)
    found = section(collector, 2.0)
    assert (found.count, len(found.containers)) == (10_001, MAX_ROWS)
    assert found.note == (
        "no socket of Docker or Podman, which know the names; 9801 more are not read: at most 200 are"
    )


def test_a_machine_without_containers_and_engines_has_no_section(made_up: MadeUp) -> None:
    collector = made_up.collector()
    collector.read(1.0)
    assert collector.read(2.0) is None
    engine = made_up.collector(FakeEngines({}))
    engine.read(1.0)
    assert section(engine, 2.0) == Containers(0, [])


def test_readings_in_quick_succession_are_not_ready_and_a_reset_starts_anew(
    made_up: MadeUp,
) -> None:
    v2(made_up, DOCKER, [10])
    collector = made_up.collector()
    for now in (1.0, 1.05):
        assert isinstance(collector.read(now), NotReady)
    row(collector, 1.2)
    collector.reset()
    assert isinstance(collector.read(9.0), NotReady)


def test_an_agent_without_a_free_file_descriptor_says_so(
    made_up: MadeUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    v2(made_up, DOCKER, [10])
    collector = made_up.collector()
    collector.read(1.0)

    def refuse(*_: object) -> int:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(OSError, match="Too many open files"):
        collector.read(2.0)
