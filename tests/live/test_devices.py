"""A real agent on a machine with devices that this one lacks: a sensor that fails, a mouse, a modem.

They are files in place of those below /sys/class, and interfaces in a network namespace. A separate
process makes them, runs the agent and prints what it has seen.
"""

import json
from typing import Any

import pytest

from collectors import private_mounts
from live.tools import tool

PROGRAM = """
import asyncio, json, socket, subprocess
from pathlib import Path
from tempfile import mkdtemp

from bench.harness.agents import Agents
from collectors.private_mounts import mount, own_network
from live.asking import ask

own_network()
for command in (
    "link set lo up",
    "link add eth0 type veth peer eth0-end",
    "link add ppp0 type veth peer ppp0-end",
    "link set ppp0 up",
    "link set ppp0-end up",
    "address add 198.51.100.1/32 dev ppp0",
    "route add default dev ppp0",
    "neighbor add 192.0.2.1 lladdr 02:00:00:00:00:01 dev ppp0",
):
    subprocess.run([{ip!r}, *command.split()], check=True)

root = Path("/sys/class")
mount("tmpfs", str(root), "tmpfs")
files = {{
    "net/eth0/device/vendor": "0x1af4",
    "net/ppp0/mtu": "1500",
    "hwmon/hwmon0/name": "nvme",
    "hwmon/hwmon0/temp1_input": "38850",
    "hwmon/hwmon0/temp1_crit": "65261850",
    "hwmon/hwmon0/temp2_input/cannot be": "read",
    "power_supply/mouse/type": "Battery",
    "power_supply/mouse/scope": "Device",
    "power_supply/mouse/capacity": "5",
}}
for name, content in files.items():
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(content)


async def main():
    with Agents(Path(mkdtemp())) as agents, socket.socket(type=socket.SOCK_DGRAM) as modem:
        agent = agents.start("cartman", settings={{"interval": 0.25}})
        while True:
            modem.sendto(bytes(1000), ("192.0.2.1", 9))
            answer = await ask(agent, {{"detail": ["sensors", "network"], "history": 10}})
            node = answer["nodes"]["cartman"]
            if any(node["history"]["sentBytes"]):
                return node["detail"]


print(json.dumps(asyncio.run(asyncio.wait_for(main(), 30))))
"""


@pytest.fixture(scope="module")
def detail() -> dict[str, Any]:
    """The sections of the agent, once it has counted bytes that were sent."""
    program = PROGRAM.format(ip=tool("ip", "iproute2"))
    done = private_mounts.run(program, timeout=60)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_sensor_that_fails_costs_its_own_row_and_a_mouse_is_no_battery(
    detail: dict[str, Any],
) -> None:
    assert detail["sensors"] == {
        "temperatures": [{"name": "nvme", "value": 38.85, "critical": None}],
        "fans": [],
        "battery": None,
    }


def test_the_bytes_of_a_modem_are_counted_beside_an_idle_card(detail: dict[str, Any]) -> None:
    rows = detail["network"]
    assert rows["ppp0"]["sentBytes"] > 0
    assert rows["eth0"]["sentBytes"] == 0
