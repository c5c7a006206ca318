import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from collectors import private_mounts
from eventually import SLACK
from nodnod_agent.collectors.machine import Moment, Timing
from nodnod_agent.collectors.sampler import WARM_UP, Sampler, due_after
from nodnod_agent.core.stats.sample import Sample

PATIENCE = 10.0


class FakeMachine:
    """Numbers its samples; costly sections are told by ``costly``, and by default there at once."""

    def __init__(self) -> None:
        self.taken: list[Moment] = []
        self.looked: list[tuple[str, ...]] = []
        self.forgotten = asyncio.Queue[str]()
        self.loop = asyncio.get_running_loop()
        self.costly: Callable[[Iterable[str]], dict[str, bytes]] = lambda names: dict.fromkeys(
            names, b"1"
        )
        self.gate: threading.Event | None = None
        self.entered = asyncio.Event()
        self.stopped = False

    def take(self, at: Moment) -> Sample:
        self.taken.append(at)
        if self.gate is not None:
            self.loop.call_soon_threadsafe(self.entered.set)
            assert self.gate.wait(PATIENCE)
        return Sample(at.unix, float(len(self.taken)), sections={"cpu": b"{}"}, clock=at.clock)

    def take_costly(self, names: Iterable[str], now: float) -> dict[str, bytes]:
        self.looked.append(tuple(names))
        return self.costly(self.looked[-1])

    def forget(self, name: str) -> None:
        self.loop.call_soon_threadsafe(self.forgotten.put_nowait, name)

    def timings(self) -> dict[str, Timing]:
        return {"cpu": Timing(0.001, 2)}

    def stop(self) -> None:
        self.stopped = True


class Run:
    """A sampler over a fake machine, and what it has delivered."""

    def __init__(self, interval: float) -> None:
        self.machine = FakeMachine()
        self.samples = asyncio.Queue[Sample]()
        self.sampler = Sampler(
            interval,
            self.samples.put_nowait,
            loop=asyncio.get_running_loop(),
            machine=self.machine,  # type: ignore[arg-type]
        )

    async def until(self, fits: Callable[[Sample], bool]) -> Sample:
        async with asyncio.timeout(PATIENCE):
            while not fits(sample := await self.samples.get()):
                pass
        return sample


@asynccontextmanager
async def running(interval: float = 60.0) -> AsyncIterator[Run]:
    run = Run(interval)
    run.sampler.start()
    try:
        yield run
    finally:
        run.sampler.stop()


async def test_the_first_sample_comes_after_two_readings() -> None:
    async with running() as run:
        sample = await run.until(lambda _: True)
        assert sample.cpu_used == 2, "the second reading"
        first, second = run.machine.taken
        assert second.mono - first.mono >= WARM_UP


async def test_a_sample_comes_every_interval() -> None:
    async with running(0.02) as run:
        samples = [await run.until(lambda _: True) for _ in range(5)]
        assert [sample.cpu_used for sample in samples] == [2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("due", "now", "following"),
    [
        (100.0, 100.01, 101.0),
        (100.0, 100.49, 101.0),  # a little late: the schedule stands
        (100.0, 100.5, 101.5),  # late by half an interval: a new schedule
        (100.0, 105.0, 106.0),  # stopped for five seconds: one tick, and no volley after it
    ],
)
def test_ticks_keep_to_a_schedule_unless_they_come_far_too_late(
    due: float, now: float, following: float
) -> None:
    assert due_after(due, now, 1.0) == following


async def test_a_wanted_section_comes_at_once_with_the_sample_there_is() -> None:
    async with running() as run:
        before = await run.until(lambda _: True)
        run.sampler.want(["gpu"], 60)
        after = await run.until(lambda _: True)
        assert after.sections == {"cpu": b"{}", "gpu": b"1"}
        assert (after.time, after.cpu_used) == (before.time, before.cpu_used)
        assert len(run.machine.taken) == 2, "the cheap sections were not read again"


async def test_a_wanted_section_comes_with_every_tick() -> None:
    async with running(0.02) as run:
        run.sampler.want(["gpu", "sensors"], 60)
        await run.until(lambda sample: "gpu" in sample.sections)
        last = len(run.machine.looked)
        seen = [await run.until(lambda _: True) for _ in range(10)]
        assert all({"gpu", "sensors"} < sample.sections.keys() for sample in seen)
        assert len(run.machine.looked) > last


async def test_a_section_that_needs_two_looks_gets_them() -> None:
    async with running() as run:
        looks: list[float] = []

        def costly(names: Iterable[str]) -> dict[str, bytes]:
            looks.append(time.monotonic())
            return {} if len(looks) == 1 else dict.fromkeys(names, b"2")

        run.machine.costly = costly
        run.sampler.want(["processes"], 60)
        sample = await run.until(lambda sample: "processes" in sample.sections)
        assert sample.sections["processes"] == b"2"
        assert looks[1] - looks[0] >= WARM_UP


async def test_a_section_that_nobody_wants_any_more_costs_nothing() -> None:
    async with running(0.02) as run:
        await run.until(lambda _: True)
        run.sampler.want(["processes"], 0.1)
        await run.until(lambda sample: "processes" in sample.sections)
        async with asyncio.timeout(PATIENCE):
            assert await run.machine.forgotten.get() == "processes"
        looked = len(run.machine.looked)
        await run.until(lambda sample: "processes" not in sample.sections)
        for _ in range(5):
            assert "processes" not in (await run.until(lambda _: True)).sections
        assert len(run.machine.looked) == looked


async def test_wanting_longer_extends_and_wanting_shorter_does_not_cut() -> None:
    async with running(0.02) as run:
        run.sampler.want(["processes"], 0.05)
        run.sampler.want(["processes"], 60)
        run.sampler.want(["processes"], 0.01)
        for _ in range(10):
            await run.until(lambda sample: "processes" in sample.sections)
        assert run.machine.forgotten.empty()


async def test_wanting_a_cheap_or_unknown_section_changes_nothing() -> None:
    async with running() as run:
        await run.until(lambda _: True)
        threads = threading.active_count()
        run.sampler.want(["cpu", "nonsense"], 60)
        assert threading.active_count() == threads
        assert run.machine.looked == []


async def test_a_costly_section_that_hangs_does_not_stop_the_cheap_ones() -> None:
    async with running(0.02) as run:
        gate = threading.Event()

        def hangs(names: Iterable[str]) -> dict[str, bytes]:
            assert gate.wait(PATIENCE)
            return dict.fromkeys(names, b"1")

        run.machine.costly = hangs
        run.sampler.want(["gpu"], 60)
        for _ in range(5):
            assert "gpu" not in (await run.until(lambda _: True)).sections
        assert len(run.machine.looked) == 1
        gate.set()
        await run.until(lambda sample: "gpu" in sample.sections)


async def test_a_reading_that_raises_does_not_end_the_sampler(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running(0.02) as run:
        take = run.machine.take

        def fails_once(at: Moment) -> Sample:
            run.machine.take = take  # type: ignore[method-assign]
            raise ValueError("odd")

        run.machine.take = fails_once  # type: ignore[method-assign]
        await run.until(lambda _: True)
        assert "the sampler failed" in caplog.text


async def test_stopping_returns_at_once_and_nothing_comes_after() -> None:
    async with running(0.02) as run:
        await run.until(lambda _: True)
        run.machine.gate = threading.Event()
        async with asyncio.timeout(PATIENCE):
            await run.machine.entered.wait()
        begun = time.monotonic()
        run.sampler.stop()
        assert time.monotonic() - begun < SLACK, "though a reading hangs"
        assert run.machine.stopped
        while not run.samples.empty():
            run.samples.get_nowait()
        sampler = next(t for t in threading.enumerate() if t.name == "nodnod-sampler")
        run.machine.gate.set()
        await asyncio.to_thread(sampler.join, PATIENCE)
        await asyncio.sleep(0)
        assert run.samples.empty()


async def test_a_sample_on_its_way_when_the_sampler_stops_is_dropped() -> None:
    run = Run(60.0)
    handed: list[Sample] = []
    run.sampler._deliver = handed.append
    run.sampler.stop()
    run.sampler._receive(Sample(1.0))
    assert handed == []


def test_a_closed_loop_is_survived_in_silence() -> None:
    async def main() -> Run:
        run = Run(0.01)
        run.sampler.start()
        await run.until(lambda _: True)
        return run

    run = asyncio.run(main())
    taken = len(run.machine.taken)
    deadline = time.monotonic() + PATIENCE
    while len(run.machine.taken) < taken + 3 and time.monotonic() < deadline:
        threading.Event().wait(0.01)
    run.sampler.stop()
    assert len(run.machine.taken) >= taken + 3


async def test_timings_are_those_of_the_machine() -> None:
    assert Run(60.0).sampler.timings() == {"cpu": (0.001, 2)}


REAL = """
import asyncio, json, os, sys, threading, time
from collectors.private_mounts import bind, mute
from nodnod_agent.collectors.filesystems import FilesystemsCollector
from nodnod_agent.collectors.machine import Machine, collectors_here
from nodnod_agent.collectors.mount_watch import MountWatch
from nodnod_agent.collectors.sampler import Sampler

class Shift:
    by = 0.0
    def __call__(self):
        return time.monotonic() + self.by

async def main():
    shift = Shift()
    watch = FilesystemsCollector(watch=MountWatch(clock=shift))
    machine = Machine(collectors_here()._replace(filesystems=watch))
    samples = asyncio.Queue()
    sampler = Sampler(0.05, samples.put_nowait, loop=asyncio.get_running_loop(), machine=machine)

    async def until(fits):
        async with asyncio.timeout(30):
            while True:
                sample = await samples.get()
                if fits(sample, json.loads(sample.sections["filesystems"])):
                    return sample
    sampler.start()
"""


def program(body: str) -> dict[str, Any]:
    indented = "".join(f"    {line}\n" for line in body.strip().splitlines())
    done = private_mounts.run(f"{REAL}\n{indented}\nasyncio.run(main())")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_device_that_is_mounted_three_times_is_counted_once() -> None:
    counts = program("""
before = await until(lambda sample, rows: sample.disk_total)
points = [bind("/"), bind("/usr")]
for _ in range(4):
    after = await samples.get()
rows = json.loads(after.sections["filesystems"])
print(json.dumps([before.disk_total, after.disk_total, [row["mount"] for row in rows], points]))
""")
    before, after, shown, points = counts
    assert before == after > 0
    assert not set(points) & set(shown)


def test_a_mount_that_never_answers_harms_nothing_and_recovers() -> None:
    private_mounts.need_fuse()
    seen = program("""
await until(lambda sample, rows: rows)
point, device = mute()
mine = lambda rows: [row for row in rows if row["mount"] == point]
others = lambda rows: [row for row in rows if row["mount"] != point]
began = time.time()
for _ in range(4):
    waiting = await samples.get()
shift.by = 5.0
stuck = await until(lambda sample, rows: any("stuckSince" in row for row in mine(rows)))
threads = []
for _ in range(20):
    await samples.get()
    threads.append(threading.active_count())
os.close(device)
recovered = await until(lambda sample, rows: any("stuckSince" not in row for row in mine(rows)))
rows = json.loads(stuck.sections["filesystems"])
print(json.dumps({
    "waiting": mine(json.loads(waiting.sections["filesystems"])),
    "stuck": mine(rows)[0], "began": began, "error": stuck.error, "disk": stuck.disk_total,
    "others": others(rows), "threads": threads,
    "recovered": mine(json.loads(recovered.sections["filesystems"]))[0],
}))
""")
    assert seen["waiting"] == []
    assert seen["stuck"]["stuckSince"] == pytest.approx(seen["began"], abs=2)
    assert (seen["stuck"]["type"], seen["stuck"]["counted"]) == ("fuse", False)
    assert seen["error"] == ""
    assert seen["disk"] > 0
    assert seen["others"]
    assert not any("stuckSince" in row for row in seen["others"])
    assert len(set(seen["threads"])) == 1, "the thread count is flat"
    assert seen["recovered"]["error"]


def test_a_process_with_a_stuck_mount_ends_at_once() -> None:
    private_mounts.need_fuse()
    seen = program("""
point, device = mute()
shift.by = 0.0
await until(lambda sample, rows: rows)
shift.by = 5.0
await until(lambda sample, rows: any("stuckSince" in row for row in rows))
sampler.stop()
print(json.dumps({"stopped": time.time()}))
""")
    assert time.time() - seen["stopped"] < 2 + SLACK
