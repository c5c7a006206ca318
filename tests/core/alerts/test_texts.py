"""Values in the sentences of alerts have the units of their metrics."""

import pytest

from nodnod_agent.core.alerts.rules import Level, Rule
from nodnod_agent.core.alerts.texts import firing


@pytest.mark.parametrize(
    ("metric", "name", "value", "says"),
    [
        ("load.load5", "", 4.25, "load.load5 is 4.2 (above 1)"),
        ("cpu.cores", "3", 99.0, "cpu.cores of 3 is 99 % (above 1 %)"),
        ("cpu.frequency", "", 2400.0, "cpu.frequency is 2400 MHz (above 1 MHz)"),
        ("pressure.io.some", "", 12.34, "pressure.io.some is 12.3 % (above 1 %)"),
        ("memory.available", "", 3 * 2**29, "memory.available is 1.5 GiB (above 1 bytes)"),
        ("memoryUsed", "", 2.0**60, "memoryUsed is 1024 PiB (above 1 bytes)"),
        ("system.memoryLimit", "", 2048, "system.memoryLimit is 2 KiB (above 1 bytes)"),
        ("network.recvBytes", "eth0", 1e6, "network.recvBytes of eth0 is 976.6 KiB/s"),
        ("network.errors", "eth0", 0.0123456, "network.errors of eth0 is 0.0123 (above 1)"),
        ("diskio.busyPercent", "sda", 99.99, "diskio.busyPercent of sda is 100 % (above 1 %)"),
        ("sensors.temperatures.value", "cpu", 80.5, "sensors.temperatures.value of cpu is 80.5 °C"),
        ("gpu.memoryUsed", "0", 2.0**30, "gpu.memoryUsed of 0 is 1 GiB (above 1 bytes)"),
        (
            "custom.queue_length",
            "queue=mail",
            12,
            "custom.queue_length of queue=mail is 12 (above 1)",
        ),
        ("custom.cpuUsed", "", 1e15, "custom.cpuUsed is 1e+15 (above 1)"),
        (
            "filesystems.usedPercent",
            "/" + "x" * 199,
            97,
            "/" + "x" * 119 + "… is 97 % full (above 1 %)",
        ),
    ],
)
def test_a_value_has_its_unit(metric: str, name: str, value: float, says: str) -> None:
    rule = Rule(name="own", metric=metric, levels=(Level("warning", 1.0, 0.5),))
    assert firing(rule, 1.0, name, value).startswith(says)


@pytest.mark.parametrize(
    ("seconds", "says"),
    [(0, ""), (0.5, "0.5 s"), (60, "60 s"), (120, "2 min"), (90, "90 s"), (7200, "2 h")],
)
def test_the_time_that_it_lasted_is_said(seconds: float, says: str) -> None:
    rule = Rule(name="own", metric="cpuUsed", levels=(Level("warning", 1.0, 0.5),), hold=seconds)
    assert firing(rule, 1.0, "", 5.0) == f"CPU is 5 % busy (above 1 %) for {says}".removesuffix(
        " for "
    )
