import pytest

from nodnod_agent.collectors.network import (
    RECHECK,
    InterfaceCounters,
    NetworkCollector,
    Traffic,
    compute,
    parse_net_dev,
    traffic,
)
from nodnod_client.sections import NetworkIo

# A container host; an old alias with a colon in its name; columns that touch the colon.
NET_DEV = b"""\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:    3193      29    0    0    0     0          0         0     3193      29    0    0    0     0       0          0
  eth0:59093942    1484    1    2    0     0          0         0   101487     951    3    4    0     0       0          0
docker0:      10       1    0    0    0     0          0         0       20       2    0    0    0     0       0          0
eth0:1:       5       1    0    0    0     0          0         0        6       1    0    0    0     0       0          0
"""
ZERO = InterfaceCounters(0, 0, 0, 0, 0)


def test_both_directions_are_read_from_their_columns() -> None:
    found = parse_net_dev(NET_DEV)
    assert list(found) == ["lo", "eth0", "docker0", "eth0:1"]
    assert found["eth0"] == InterfaceCounters(59093942, 101487, 1484 + 951, 1 + 3, 2 + 4)


HEADER = b"\n".join(NET_DEV.split(b"\n")[:2]) + b"\n"


def test_a_name_that_is_not_utf_8_is_still_text() -> None:
    found = parse_net_dev(HEADER + b" ve\xff0: 1 0 0 0 0 0 0 0 2 0 0 0 0 0 0 0\n")
    assert list(compute(found, found, 1.0)) == ["ve\ufffd0"]


@pytest.mark.parametrize(
    "line", [b"eth1: 1 0 0\n", b"eth1: 1 0 0 x 0 0 0 0 2 0 0 0 0 0 0 0\n", b"?\n"]
)
def test_a_line_that_cannot_be_read_costs_its_own_row(line: bytes) -> None:
    lines = NET_DEV.splitlines(keepends=True)
    found = parse_net_dev(b"".join([*lines[:3], line, *lines[3:]]))
    assert found == parse_net_dev(NET_DEV)


def test_rates_are_per_second_of_the_elapsed_time() -> None:
    section = compute({"eth0": ZERO}, {"eth0": InterfaceCounters(5000, 500, 50, 5, 10)}, 5.0)
    assert section == {"eth0": NetworkIo(1000, 100, 10, 1, 2)}


def test_rates_are_0_after_an_interface_is_recreated() -> None:
    assert compute({"tun0": InterfaceCounters(9, 9, 9, 9, 9)}, {"tun0": ZERO}, 1.0) == {
        "tun0": NetworkIo(0, 0, 0, 0, 0)
    }


def test_a_new_interface_is_absent_until_its_second_reading() -> None:
    assert compute({}, {"eth1": ZERO}, 1.0) == {}


def row(received: float, sent: float) -> NetworkIo:
    return NetworkIo(received, sent, 0, 0, 0)


def test_traffic_is_that_of_the_uplinks_without_bridges() -> None:
    section = {"lo": row(9, 9), "eth0": row(1, 2), "eth1": row(10, 20), "docker0": row(1, 2)}
    assert traffic(section, ["eth0", "eth1", "eth7"]) == Traffic(11, 22)


def test_a_container_without_uplinks_sums_all_but_the_loopback() -> None:
    assert traffic({"lo": row(9, 9), "eth0": row(1, 2)}, []) == Traffic(1, 2)
    assert traffic({}, []) == Traffic(0, 0)


def test_uplinks_are_looked_up_when_interfaces_change_and_again_after_a_while() -> None:
    counters = iter([{"lo": ZERO, "eth0": ZERO}] * 3 + [{"lo": ZERO, "eth1": ZERO}] * 2)
    looked: list[list[str]] = []
    collector = NetworkCollector(
        lambda: next(counters), lambda names: looked.append(list(names)) or looked[-1][1:]
    )
    for now in (0.0, 1.0, RECHECK - 0.1):
        collector.read(now)
    assert looked == [["lo", "eth0"]]
    collector.read(RECHECK - 0.05)
    assert collector.uplinks() == ["eth1"]
    collector.read(2 * RECHECK)
    assert looked == [["lo", "eth0"], ["lo", "eth1"], ["lo", "eth1"]]


def test_a_name_that_is_not_utf_8_is_the_same_in_the_section_and_among_the_uplinks() -> None:
    line = b" ve\xff0: %d 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
    counters = iter([parse_net_dev(HEADER + line % received) for received in (0, 70)])
    collector = NetworkCollector(lambda: next(counters), list)
    collector.read(0.0)
    assert traffic(collector.read(1.0), collector.uplinks()) == Traffic(70, 0)
