"""Where an agent listens, and under which address others can dial it."""

import ipaddress
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from nodnod_agent.net import sockets as listener_module
from nodnod_agent.net.sockets import UNSENT_IN_KERNEL, advertised, bind, out_of_reach, reachable
from nodnod_client.address import Address


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def bound(stack: ExitStack, address: Address) -> list[socket.socket]:
    return [stack.enter_context(sock) for sock in bind(address)]


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")


# Binding.


def test_port_0_takes_a_free_port(stack: ExitStack) -> None:
    (sock,) = bound(stack, Address("127.0.0.1", 0))

    host, port = sock.getsockname()
    assert host == "127.0.0.1"
    assert port > 0


def test_a_name_with_several_addresses_is_bound_at_each_all_at_one_port(
    stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo

    def look_up(host: str, port: int, **options: Any) -> list[Any]:
        assert host == "kyle"
        return [*real("127.0.0.1", port, **options), *real("127.0.0.2", port, **options)]

    monkeypatch.setattr(listener_module.socket, "getaddrinfo", look_up)

    one, two = (sock.getsockname() for sock in bound(stack, Address("kyle", 0)))

    assert (one[0], two[0]) == ("127.0.0.1", "127.0.0.2")
    assert one[1] == two[1] > 0


def test_nobody_can_connect_before_somebody_listens(stack: ExitStack) -> None:
    (sock,) = bound(stack, Address("127.0.0.1", 0))

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(sock.getsockname())


def test_a_port_that_is_taken_is_an_error_and_leaves_nothing_open(stack: ExitStack) -> None:
    holder = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

    with pytest.raises(OSError, match="in use"):
        bind(Address(*holder.getsockname()))


def test_a_port_can_be_taken_again_at_once(stack: ExitStack) -> None:
    (sock,) = bind(Address("127.0.0.1", 0))
    where = Address(*sock.getsockname())
    sock.listen()
    with socket.create_connection(where):
        sock.accept()[0].close()
    sock.close()

    bound(stack, where)


@needs_ipv6
def test_all_of_ipv6_is_all_of_ipv4_too(stack: ExitStack) -> None:
    (sock,) = bound(stack, Address("::", 0))
    sock.listen()

    socket.create_connection(("127.0.0.1", sock.getsockname()[1])).close()


@needs_ipv6
def test_one_address_of_ipv6_leaves_ipv4_alone(stack: ExitStack) -> None:
    (sock,) = bound(stack, Address("::1", 0))

    assert sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)


@pytest.mark.skipif(not hasattr(socket, "TCP_NOTSENT_LOWAT"), reason="not known here")
def test_the_kernel_holds_little_for_those_that_do_not_read(stack: ExitStack) -> None:
    (sock,) = bound(stack, Address("127.0.0.1", 0))
    sock.listen()
    client = stack.enter_context(socket.create_connection(sock.getsockname()))
    accepted = stack.enter_context(sock.accept()[0])

    assert client.getpeername() == sock.getsockname()
    held = accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT)
    assert held == UNSENT_IN_KERNEL


# What to advertise.


@pytest.mark.parametrize("host", ["127.0.0.1", "10.1.2.3", "::1", "kyle", "fe80::1%eth0"])
def test_an_address_of_one_machine_is_advertised_as_it_is(host: str) -> None:
    assert advertised(Address(host, 7071)) == Address(host, 7071)


class Ways:
    """Sockets that know the way out, or do not; and another one to 10.9.0.0/24."""

    def __init__(self, ways: dict[socket.AddressFamily, str], private: str = "") -> None:
        self.ways = ways
        self.private = private
        self._way = ""

    def __call__(self, family: socket.AddressFamily, _: socket.SocketKind) -> "Ways":
        self._family = family
        return self

    def __enter__(self) -> "Ways":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def connect(self, where: tuple[str, int]) -> None:
        assert ipaddress.ip_address(where[0]).is_global is False
        self._way = self.ways.get(self._family, "")
        if where[0].startswith("10.9.0.") and self.private:
            self._way = self.private
        if not self._way:
            raise OSError("network is unreachable")

    def getsockname(self) -> tuple[str, int]:
        return self._way, 40000


V4, V6 = socket.AF_INET, socket.AF_INET6


@pytest.mark.parametrize(
    ("listen", "ways", "host"),
    [
        ("0.0.0.0", {V4: "10.1.2.3", V6: "2001:db8::9"}, "10.1.2.3"),
        ("::", {V4: "10.1.2.3", V6: "2001:db8::9"}, "10.1.2.3"),
        ("::", {V6: "2001:db8::9"}, "2001:db8::9"),
        ("0.0.0.0", {V6: "2001:db8::9"}, "127.0.0.1"),
        ("::", {}, "127.0.0.1"),
    ],
)
def test_who_listens_everywhere_advertises_the_address_on_its_way_out(
    listen: str,
    ways: dict[socket.AddressFamily, str],
    host: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listener_module.socket, "socket", Ways(ways))

    assert advertised(Address(listen, 7071)) == Address(host, 7071)


SEED = Address("10.9.0.1", 7070)
NAME = Address("kyle.example", 7070)
HERE = Address("127.0.0.1", 7070)


@pytest.mark.parametrize(
    ("seeds", "host"),
    [
        ([SEED], "10.9.0.7"),
        ([HERE, SEED], "10.9.0.7"),
        ([Address("2001:db8:9::1", 7070), SEED], "10.9.0.7"),
        ([HERE], "10.1.2.3"),
        ([NAME], "10.1.2.3"),
        ([], "10.1.2.3"),
    ],
)
def test_with_several_networks_it_is_the_address_on_the_way_to_the_others(
    seeds: list[Address], host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener_module.socket, "socket", Ways({V4: "10.1.2.3"}, "10.9.0.7"))

    assert advertised(Address("0.0.0.0", 7071), seeds) == Address(host, 7071)


@pytest.mark.parametrize(
    ("seeds", "host"),
    [
        ([SEED], "10.9.0.7"),
        ([HERE, SEED], "10.9.0.7"),
        ([NAME], "10.1.2.3"),
        ([HERE, Address("::1", 7070), Address("localhost", 7071)], "127.0.0.1"),
        ([], "127.0.0.1"),
    ],
)
def test_who_joins_others_without_a_word_of_where_to_listen_does_so_where_they_can_dial(
    seeds: list[Address], host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener_module.socket, "socket", Ways({V4: "10.1.2.3"}, "10.9.0.7"))

    assert reachable(HERE, seeds) == Address(host, 7070)


@pytest.mark.parametrize(
    ("advertise", "seeds", "out"),
    [
        (HERE, [SEED], True),
        (Address("::1", 7070), [HERE, NAME], True),
        (Address("localhost", 7070), [SEED], True),
        (HERE, [HERE, Address("localhost", 7071)], False),
        (HERE, [], False),
        (Address("10.1.2.3", 7070), [SEED], False),
        (Address("kyle", 7070), [SEED], False),
    ],
)
def test_an_address_of_this_machine_alone_is_out_of_reach_for_others(
    advertise: Address, seeds: list[Address], out: bool
) -> None:
    assert out_of_reach(advertise, seeds) is out


def test_without_a_network_it_is_the_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener_module.socket, "socket", Ways({}))

    assert reachable(HERE, [SEED, NAME]) == HERE


def test_finding_the_way_out_needs_no_network_and_no_name_server() -> None:
    assert advertised(Address("0.0.0.0", 7071), [NAME]).port == 7071
