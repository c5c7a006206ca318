"""CPU time of judging this machine by the built-in rules: a table.

    python bench/alerts.py [--samples 200] [--pause 0.05]

Microseconds per sample, that is per second of an agent that takes one each second, without the
sampling itself. The pause lets caches get as cold as they do in an agent. The limit is 500.
"""

import sys

if __name__ == "__main__":
    # From bench/ itself, concurrent.py would hide the library's.
    sys.path[:1] = [f"{sys.path[0]}/..", f"{sys.path[0]}/../tests"]

import argparse
import time

from msgspec.structs import replace

from bench.harness.options import flag, positive, seconds
from nodnod_agent.collectors.machine import Machine, open_collectors
from nodnod_agent.collectors.moment import moment
from nodnod_agent.config.settings import Settings
from nodnod_agent.core.alerts.judge import Judge
from nodnod_agent.core.alerts.metrics import AGENT_METRICS
from nodnod_agent.core.alerts.watch import AlertWatch
from nodnod_agent.core.stats.sample import Sample
from nodnod_client.alerts import Alert
from nodnod_client.codec import encode
from nodnod_client.sections import Filesystem, Sensors, Temperature
from simulation.clock import FakeClock


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flag(parser, "samples", positive, 200, "samples of each machine")
    flag(parser, "pause", seconds, 0.05, "seconds between two samples")
    options = parser.parse_args()
    machine = Machine(open_collectors("bench"))
    machine.sample(moment())
    time.sleep(0.2)
    sample = machine.sample(moment())
    machine.stop()
    print(f"{'machine':<40}{'mean µs':>10}{'alerts':>8}")
    for name, mounts, used in (
        ("this one", 0, 0),
        ("with 1,000 filesystems", 1000, 50),
        ("with 1,000 filesystems, all of them full", 1000, 100),
    ):
        sections = sample.sections | {"sensors": encode(sensors(40))}
        if mounts:
            sections["filesystems"] = encode(filesystems(mounts, used))
        taken, alerts = measure(sample, sections, options.samples, options.pause)
        print(f"{name:<40}{1e6 * taken:>10.1f}{alerts:>8}")


def measure(
    sample: Sample, sections: dict[str, bytes], samples: int, pause: float
) -> tuple[float, int]:
    """Seconds of CPU per sample, and the alerts that fired."""
    clock, alerts = FakeClock(), list[Alert]()
    watch = AlertWatch(
        Judge("bench", "127.0.0.1:7070", 1.0),
        alerts.extend,
        clock=clock,
        wall=clock.time,
        want=lambda names, duration: None,
        interval=1.0,
    )
    watch.use(Settings(name="bench").alerts_rules, {})
    watch.known = dict.fromkeys(AGENT_METRICS, lambda: None)
    watch.start()
    taken = 0.0
    for _ in range(samples):
        time.sleep(pause)
        began = time.process_time()
        clock.advance(1.0)
        watch.sampled(replace(sample, time=clock.now, sections=sections))
        taken += time.process_time() - began
    return taken / samples, len(alerts)


def filesystems(count: int, used: int) -> list[Filesystem]:
    """So many, each with the same use."""
    row = ("ext4", 10**9, used * 10**7, (100 - used) * 10**7, float(used), True, used)
    return [Filesystem(f"/srv/{number}", f"/dev/sd{number}", *row) for number in range(count)]


def sensors(count: int) -> Sensors:
    """So many cores, none of them hot."""
    return Sensors([Temperature(f"coretemp Core {n}", 50.0, 100.0) for n in range(count)], [], None)


if __name__ == "__main__":
    main()
