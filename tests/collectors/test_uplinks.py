import os
from pathlib import Path

import pytest

from nodnod_agent.collectors.uplinks import (
    Route,
    Uplinks,
    choose,
    parse_ipv6_routes,
    parse_routes,
)

HEADER = b"Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"


def route(interface: str, destination: str, mask: str, flags: int) -> bytes:
    """A line of /proc/net/route."""
    line = f"{interface}\t{destination}\t010200C0\t{flags:04X}\t0\t0\t0\t{mask}\t0\t0\t0"
    return line.ljust(127).encode() + b"\n"


def default(interface: str) -> bytes:
    return route(interface, "00000000", "00000000", 0x3)


def routes(*lines: bytes) -> bytes:
    return HEADER + b"".join(lines)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (default("eth0"), [Route("eth0", is_default=True)]),
        (route("ppp0", "00000000", "00000000", 0x1), [Route("ppp0", is_default=True)]),
        (route("eth0", "00000000", "000000FF", 0x3), []),
        (route("eth0", "000200C0", "00FFFFFF", 0x1), []),
        (route("eth0", "00000000", "00000000", 0x2), []),  # down
        (route("*", "00000000", "00000000", 0x201), []),  # rejects
        (route("eth0", "04030201", "FFFFFFFF", 0x7), [Route("eth0", is_default=False)]),
        (route("eth0", "04030201", "FFFFFFFF", 0x5), []),  # a host on the link
        (default("eth0")[:20], []),
        (b"eth0 00000000 x flags 0 0 0 00000000\n", []),
    ],
)
def test_default_routes_and_those_to_one_host_are_read(line: bytes, found: list[Route]) -> None:
    assert parse_routes(routes(line)) == found
    assert parse_routes(routes(default("a"), line, default("b")))[1:-1] == found


ROUTES_6 = b"""\
fd000000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 fd000000000000000000000000000001 00000400 00000003 00000000 00000003     eth0
20010db8000000000000000000000001 80 00000000000000000000000000000000 00 fd000000000000000000000000000001 00000400 00000003 00000000 00000007     wan
00000000000000000000000000000001 80 00000000000000000000000000000000 00 00000000000000000000000000000000 00000000 00000004 00000000 80200001       lo
ff000000000000000000000000000000 08 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000003 00000000 00000001     eth0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo
"""


def test_routes_of_ipv6_are_read_without_the_one_that_rejects() -> None:
    assert parse_ipv6_routes(ROUTES_6) == [
        Route("eth0", is_default=True),
        Route("wan", is_default=False),
    ]


BELOW = {"bond0.7": ["bond0"], "bond0": ["eth0", "eth1"], "loop0": ["loop1"], "loop1": ["loop0"]}


@pytest.mark.parametrize(
    ("defaults", "chosen"),
    [
        (["eth0"], ["eth0", "eth1"]),
        (["ppp0"], ["eth0", "eth1", "ppp0"]),
        (["ppp0", "eth1"], ["eth0", "eth1"]),
        (["ppp0", "wwan0", "ppp0"], ["eth0", "eth1", "ppp0", "wwan0"]),
        (["bond0"], ["eth0", "eth1"]),
        (["bond0.7"], ["eth0", "eth1"]),
        (["loop0"], ["eth0", "eth1", "loop0"]),
        ([], ["eth0", "eth1"]),
    ],
)
def test_an_interface_with_a_default_route_counts_where_no_card_carries_one(
    defaults: list[str], chosen: list[str]
) -> None:
    found = [Route(name, is_default=True) for name in defaults]
    assert choose(["eth0", "eth1"], found, lambda name: BELOW.get(name, [])) == chosen


def test_the_tunnel_of_a_vpn_does_not_count_because_a_card_leads_to_its_server() -> None:
    found = [Route("tun0", is_default=True), Route("eth0", is_default=False)]
    assert choose(["eth0"], found, lambda _: []) == ["eth0"]


# What Linux has, as files.


class Network:
    """The interfaces of a machine under /sys, and its routes under /proc."""

    def __init__(self, root: Path) -> None:
        self._sys = root / "sys"
        self._proc = root / "proc"
        self._proc.mkdir()
        self.names: list[str] = []

    def add(
        self,
        name: str,
        *,
        card: bool = False,
        bus: str = "pci",
        master: str = "",
        link: int = 0,
        type_: int = 1,
        is_bridge: bool = False,
    ) -> None:
        directory = self._sys / name
        directory.mkdir(parents=True)
        self.names.append(name)
        (directory / "ifindex").write_text(f"{len(self.names)}\n")
        (directory / "iflink").write_text(f"{link or len(self.names)}\n")
        (directory / "type").write_text(f"{type_}\n")
        if is_bridge:
            (directory / "bridge").mkdir()
        if card:
            (directory / "device").mkdir()
            os.symlink(f"../../../bus/{bus}", directory / "device/subsystem")
        if master:
            os.symlink(f"../{master}", directory / "master")
            os.symlink(f"../{name}", self._sys / master / f"lower_{name}")

    def proc(self, file: str, data: bytes) -> None:
        (self._proc / file).write_bytes(data)

    def uplinks(self) -> list[str]:
        return sorted(Uplinks(str(self._sys), str(self._proc)).find(self.names))


@pytest.fixture
def network(tmp_path: Path) -> Network:
    network = Network(tmp_path)
    network.add("lo", type_=772)
    return network


def test_cards_are_uplinks_and_bridges_are_not(network: Network) -> None:
    network.add("eth0", card=True)
    network.add("docker0")
    network.proc("route", routes(default("eth0")))
    assert network.uplinks() == ["eth0"]


def test_the_virtual_function_of_a_card_is_counted_by_its_master(network: Network) -> None:
    network.add("eth0", card=True, bus="vmbus")
    network.add("enP1s1", card=True, master="eth0")
    network.proc("route", routes(default("eth0")))
    assert network.uplinks() == ["eth0"]


@pytest.mark.parametrize("master", ["bond0", "br0"])
def test_a_card_whose_master_is_no_card_is_counted(network: Network, master: str) -> None:
    network.add(master)
    network.add("eth0", card=True, master=master)
    network.add("eth1", card=True, master=master)
    network.proc("route", routes(default(master)))
    assert network.uplinks() == ["eth0", "eth1"]


def test_the_ports_of_a_switch_are_counted_by_the_card_behind_it(network: Network) -> None:
    network.add("eth0", card=True, bus="platform")
    network.add("lan1", card=True, bus="mdio_bus", link=2)
    network.add("wan", card=True, bus="mdio_bus", link=2)
    network.proc("route", routes(default("wan")))
    assert network.uplinks() == ["eth0"]


def test_the_end_of_a_guest_s_card_on_the_host_is_no_card(network: Network) -> None:
    network.add("eth0", card=True)
    network.add("vif1.0", card=True, bus="xen-backend")
    assert network.uplinks() == ["eth0"]


@pytest.mark.parametrize(
    ("file", "data"),
    [
        ("route", routes(default("ppp0"))),
        ("ipv6_route", ROUTES_6.replace(b"eth0", b"ppp0").replace(b"wan", b"lo")),
    ],
)
def test_a_modem_beside_an_idle_card_is_counted(network: Network, file: str, data: bytes) -> None:
    network.add("eth0", card=True)
    network.add("ppp0")
    network.proc(file, data)
    assert network.uplinks() == ["eth0", "ppp0"]


def test_ppp_over_ethernet_is_counted_by_the_card_below(network: Network) -> None:
    network.add("eth0", card=True)
    network.add("ppp0")
    network.proc("route", routes(default("ppp0")))
    network.proc(
        "pppoe",
        b"Id       Address              Device\n00000001 00:11:22:33:44:55     eth0\n",
    )
    assert network.uplinks() == ["eth0"]


def test_in_a_container_what_is_built_on_no_other_interface_counts(network: Network) -> None:
    network.add("eth0")
    network.add("eth1")
    network.add("docker0", is_bridge=True)
    network.add("veth1", master="docker0")
    network.add("wg0", type_=65534)
    network.proc("route", routes(default("eth0")))
    assert network.uplinks() == ["eth0", "eth1"]


def test_where_a_tunnel_is_all_there_is_no_uplink_is_known(network: Network) -> None:
    network.add("tun0", type_=65534)
    assert network.uplinks() == []


def test_a_card_whose_name_is_not_utf_8_is_one(network: Network) -> None:
    name = os.fsdecode(b"k\xfcche")
    network.add(name, card=True)
    network.proc("route", routes(default("x")).replace(b"x\t", b"k\xfcche\t"))
    assert network.uplinks() == [name]


def test_of_a_large_routing_table_the_beginning_is_read(network: Network) -> None:
    network.add("eth0", card=True)
    many = [route("eth0", f"{number:08X}", "00FFFFFF", 0x3) for number in range(1, 5000)]
    network.proc("route", routes(default("ppp0"), *many, default("eth0")))
    assert network.uplinks() == ["eth0", "ppp0"]


def test_without_sys_the_interfaces_of_macos_are_known_by_their_names(tmp_path: Path) -> None:
    find = Uplinks(str(tmp_path / "none"), str(tmp_path)).find
    assert find(["lo0", "en0", "bridge0", "en1"]) == ["en0", "en1"]
