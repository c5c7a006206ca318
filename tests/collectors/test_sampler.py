import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from time import monotonic
from typing import cast

import pytest

from eventually import SLACK
from nodnod_agent.collectors.machine import Machine
from nodnod_agent.collectors.moment import Moment, Timing
from nodnod_agent.collectors.sampler import WARM_UP, Sampler, next_tick
from nodnod_agent.core.stats.sample import Sample

TIMEOUT = 10.0


class FakeMachine:
    """Numbers its samples. ``read`` returns expensive sections, by default at once."""

    reading = "memory"

    def __init__(self) -> None:
        self.moments: list[Moment] = []
        self.readings: list[tuple[str, ...]] = []
        self.resets = asyncio.Queue[str]()
        self.loop = asyncio.get_running_loop()
        self.read: Callable[[Iterable[str]], dict[str, bytes]] = lambda names: dict.fromkeys(
            names, b"1"
        )
        self.release: threading.Event | None = None
        self.entered = asyncio.Event()
        self.stopped = False

    def sample(self, at: Moment) -> Sample:
        self.moments.append(at)
        if self.release is not None:
            self.loop.call_soon_threadsafe(self.entered.set)
            assert self.release.wait(TIMEOUT)
        return Sample(at.unix, float(len(self.moments)), sections={"cpu": b"{}"}, clock=at.clock)

    def read_expensive(self, names: Iterable[str], now: float) -> dict[str, bytes]:
        self.readings.append(tuple(names))
        return self.read(self.readings[-1])

    def reset(self, name: str) -> None:
        self.loop.call_soon_threadsafe(self.resets.put_nowait, name)

    def timings(self) -> dict[str, Timing]:
        return {"cpu": Timing(0.001, 2)}

    def stop(self) -> None:
        self.stopped = True


class SamplerHarness:
    """A sampler over a fake machine, and the samples that it delivers."""

    def __init__(self, interval: float, opening: threading.Event | Exception | None = None) -> None:
        """``opening`` is what the machine waits for, or the error of the first attempt."""
        self.machine = FakeMachine()
        self._opening = opening
        self.samples = asyncio.Queue[Sample]()
        self.sampler = Sampler(
            interval,
            self.samples.put_nowait,
            loop=asyncio.get_running_loop(),
            open_machine=self._open,
        )

    def _open(self) -> Machine:
        opening, self._opening = self._opening, None
        if isinstance(opening, Exception):
            raise opening
        assert opening is None or opening.wait(TIMEOUT)
        return cast(Machine, self.machine)

    async def next(self, fits: Callable[[Sample], bool] = lambda _: True) -> Sample:
        """The next sample that fits."""
        async with asyncio.timeout(TIMEOUT):
            while not fits(sample := await self.samples.get()):
                pass
        return sample

    async def next_with(self, section: str) -> Sample:
        return await self.next(lambda sample: section in sample.sections)


@asynccontextmanager
async def running(interval: float) -> AsyncIterator[SamplerHarness]:
    harness = SamplerHarness(interval)
    harness.sampler.start()
    try:
        yield harness
    finally:
        harness.sampler.stop()


@pytest.fixture
async def slow() -> AsyncIterator[SamplerHarness]:
    """A sampler that delivers one sample."""
    async with running(60.0) as harness:
        yield harness


@pytest.fixture
async def fast() -> AsyncIterator[SamplerHarness]:
    """A sampler that delivers a sample every 20 ms."""
    async with running(0.02) as harness:
        yield harness


async def test_the_first_sample_comes_after_two_readings(slow: SamplerHarness) -> None:
    sample = await slow.next()
    assert sample.cpu_used == 2, "the second reading"
    first, second = slow.machine.moments
    assert second.mono - first.mono >= WARM_UP


async def test_a_first_reading_that_takes_long_is_followed_by_the_same_pause() -> None:
    harness = SamplerHarness(60.0)
    machine = harness.machine
    machine.release = threading.Event()
    harness.sampler.start()
    async with asyncio.timeout(TIMEOUT):
        await machine.entered.wait()
        await asyncio.sleep(2 * WARM_UP)
        released = monotonic()
        machine.release.set()
        await harness.samples.get()
    harness.sampler.stop()
    assert machine.moments[1].mono - released >= WARM_UP


async def test_a_demand_before_the_machine_is_open_is_met_once_it_is() -> None:
    may_open = threading.Event()
    harness = SamplerHarness(60.0, may_open)
    harness.sampler.start()
    harness.sampler.demand(["gpu"], 60)
    assert harness.sampler.busy_with() == "opening the files of /proc and /sys"
    may_open.set()
    await harness.next_with("gpu")
    assert harness.sampler.busy_with() == "reading the memory section"
    harness.sampler.stop()


async def test_a_machine_that_cannot_be_opened_is_opened_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    harness = SamplerHarness(0.02, ValueError("odd"))
    harness.sampler.start()
    await harness.next()
    assert "cannot open the files of this machine; trying again" in caplog.text
    harness.sampler.stop()


async def test_a_machine_that_is_opened_after_the_stop_is_stopped_too() -> None:
    may_open = threading.Event()
    harness = SamplerHarness(60.0, may_open)
    harness.sampler.start()
    sampler = next(t for t in threading.enumerate() if t.name == "nodnod-sampler")
    harness.sampler.stop()
    may_open.set()
    await asyncio.to_thread(sampler.join, TIMEOUT)
    assert harness.machine.stopped
    assert harness.machine.moments == []


async def test_a_sample_comes_every_interval(fast: SamplerHarness) -> None:
    samples = [await fast.next() for _ in range(5)]
    assert [sample.cpu_used for sample in samples] == [2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("due", "now", "following"),
    [
        (100.0, 100.01, 101.0),
        (100.0, 100.49, 101.0),  # a little late: the schedule is kept
        (100.0, 100.5, 101.5),  # late by half an interval: a new schedule
        (100.0, 105.0, 106.0),  # stopped for five seconds: no burst of ticks
    ],
)
def test_ticks_keep_to_a_schedule_unless_one_is_very_late(
    due: float, now: float, following: float
) -> None:
    assert next_tick(due, now, 1.0) == following


async def test_a_demanded_section_comes_at_once_with_the_newest_sample(
    slow: SamplerHarness,
) -> None:
    before = await slow.next()
    slow.sampler.demand(["gpu"], 60)
    after = await slow.next()
    assert after.sections == {"cpu": b"{}", "gpu": b"1"}
    assert (after.time, after.cpu_used) == (before.time, before.cpu_used)
    assert len(slow.machine.moments) == 2, "the other sections are not read again"


async def test_a_demanded_section_comes_with_every_tick(fast: SamplerHarness) -> None:
    fast.sampler.demand(["gpu", "sensors"], 60)
    await fast.next_with("gpu")
    last = len(fast.machine.readings)
    samples = [await fast.next() for _ in range(10)]
    assert all({"gpu", "sensors"} < sample.sections.keys() for sample in samples)
    assert len(fast.machine.readings) > last


async def test_a_section_that_needs_two_readings_gets_them(slow: SamplerHarness) -> None:
    times: list[float] = []

    def read(names: Iterable[str]) -> dict[str, bytes]:
        times.append(time.monotonic())
        return {} if len(times) == 1 else dict.fromkeys(names, b"2")

    slow.machine.read = read
    slow.sampler.demand(["processes"], 60)
    sample = await slow.next_with("processes")
    assert sample.sections["processes"] == b"2"
    assert times[1] - times[0] >= WARM_UP


async def test_a_section_is_reset_and_not_read_after_its_demand_ends(
    fast: SamplerHarness,
) -> None:
    await fast.next()
    fast.sampler.demand(["processes"], 0.1)
    await fast.next_with("processes")
    async with asyncio.timeout(TIMEOUT):
        assert await fast.machine.resets.get() == "processes"
    readings = len(fast.machine.readings)
    await fast.next(lambda sample: "processes" not in sample.sections)
    for _ in range(5):
        assert "processes" not in (await fast.next()).sections
    assert len(fast.machine.readings) == readings


async def test_a_section_is_kept_while_a_part_of_it_is_demanded(fast: SamplerHarness) -> None:
    fast.sampler.demand(["processes", "sensors"], 0.05)
    fast.sampler.demand(["processes?match=x*"], 60)
    async with asyncio.timeout(TIMEOUT):
        assert await fast.machine.resets.get() == "sensors"
    sample = await fast.next(lambda sample: "processes" not in sample.sections)
    assert sample.sections["processes?match=x*"] == b"1"
    assert fast.machine.resets.empty()


async def test_a_longer_demand_extends_and_a_shorter_one_does_not_shorten(
    fast: SamplerHarness,
) -> None:
    for seconds in (0.05, 60, 0.01):
        fast.sampler.demand(["processes"], seconds)
    for _ in range(10):
        await fast.next_with("processes")
    assert fast.machine.resets.empty()


async def test_a_demand_for_a_cheap_or_unknown_section_is_ignored(slow: SamplerHarness) -> None:
    await slow.next()
    threads = threading.active_count()
    slow.sampler.demand(["cpu", "nonsense"], 60)
    assert threading.active_count() == threads
    assert slow.machine.readings == []


async def test_an_expensive_section_that_hangs_does_not_stop_the_ticks(
    fast: SamplerHarness,
) -> None:
    release = threading.Event()

    def hang(names: Iterable[str]) -> dict[str, bytes]:
        assert release.wait(TIMEOUT)
        return dict.fromkeys(names, b"1")

    fast.machine.read = hang
    fast.sampler.demand(["gpu"], 60)
    for _ in range(5):
        assert "gpu" not in (await fast.next()).sections
    assert len(fast.machine.readings) == 1
    release.set()
    await fast.next_with("gpu")


async def test_a_sample_that_raises_does_not_end_the_sampler(
    fast: SamplerHarness, caplog: pytest.LogCaptureFixture
) -> None:
    sample = fast.machine.sample

    def fail_once(at: Moment) -> Sample:
        fast.machine.sample = sample  # type: ignore[method-assign]
        raise ValueError("odd")

    fast.machine.sample = fail_once  # type: ignore[method-assign]
    await fast.next()
    assert "the sampler failed" in caplog.text


async def test_stop_returns_at_once_and_no_sample_comes_after_it(fast: SamplerHarness) -> None:
    await fast.next()
    fast.machine.release = threading.Event()
    async with asyncio.timeout(TIMEOUT):
        await fast.machine.entered.wait()
    start = time.monotonic()
    fast.sampler.stop()
    assert time.monotonic() - start < SLACK, "although a reading hangs"
    assert fast.machine.stopped
    while not fast.samples.empty():
        fast.samples.get_nowait()
    sampler = next(t for t in threading.enumerate() if t.name == "nodnod-sampler")
    fast.machine.release.set()
    await asyncio.to_thread(sampler.join, TIMEOUT)
    await asyncio.sleep(0)
    assert fast.samples.empty()


async def test_a_sample_scheduled_before_stop_is_dropped() -> None:
    harness = SamplerHarness(60.0)
    harness.sampler.stop()
    harness.sampler._receive(Sample(1.0))
    assert harness.samples.empty()


def test_the_sampler_survives_a_closed_loop() -> None:
    async def main() -> SamplerHarness:
        harness = SamplerHarness(0.01)
        harness.sampler.start()
        await harness.next()
        return harness

    harness = asyncio.run(main())
    count = len(harness.machine.moments)
    deadline = time.monotonic() + TIMEOUT
    while len(harness.machine.moments) < count + 3 and time.monotonic() < deadline:
        threading.Event().wait(0.01)
    harness.sampler.stop()
    assert len(harness.machine.moments) >= count + 3


async def test_timings_are_those_of_the_machine_once_it_is_open(slow: SamplerHarness) -> None:
    await slow.next()
    assert slow.sampler.timings() == {"cpu": (0.001, 2)}
    assert SamplerHarness(60.0).sampler.timings() == {}
