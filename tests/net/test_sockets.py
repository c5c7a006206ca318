"""Where an agent listens, and the address at which others can dial it."""

import ipaddress
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from nodnod_agent.net import sockets as sockets_module
from nodnod_agent.net.sockets import (
    UNSENT_IN_KERNEL,
    advertised_address,
    bind,
    default_listen_address,
    is_unreachable,
)
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


def test_a_name_with_several_addresses_is_bound_at_each_all_at_one_free_port(
    stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo

    def look_up(host: str, port: int, **options: Any) -> list[Any]:
        assert host == "kyle"
        return [*real("127.0.0.1", port, **options), *real("127.0.0.2", port, **options)]

    monkeypatch.setattr(sockets_module.socket, "getaddrinfo", look_up)

    one, two = (sock.getsockname() for sock in bound(stack, Address("kyle", 0)))

    assert (one[0], two[0]) == ("127.0.0.1", "127.0.0.2")
    assert one[1] == two[1] > 0


def test_a_bound_socket_refuses_connections_until_it_listens(stack: ExitStack) -> None:
    (sock,) = bound(stack, Address("127.0.0.1", 0))

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(sock.getsockname())


def test_a_busy_port_is_an_error(stack: ExitStack) -> None:
    holder = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

    with pytest.raises(OSError, match="in use"):
        bind(Address(*holder.getsockname()))


def test_a_port_can_be_bound_again_at_once(stack: ExitStack) -> None:
    (sock,) = bind(Address("127.0.0.1", 0))
    where = Address(*sock.getsockname())
    sock.listen()
    with socket.create_connection(where):
        sock.accept()[0].close()
    sock.close()

    bound(stack, where)


@needs_ipv6
def test_the_ipv6_wildcard_accepts_ipv4_too(stack: ExitStack) -> None:
    (sock,) = bound(stack, Address("::", 0))
    sock.listen()

    socket.create_connection(("127.0.0.1", sock.getsockname()[1])).close()


@needs_ipv6
def test_an_ipv6_address_does_not_accept_ipv4(stack: ExitStack) -> None:
    (sock,) = bound(stack, Address("::1", 0))

    assert sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)


@pytest.mark.skipif(not hasattr(socket, "TCP_NOTSENT_LOWAT"), reason="not known here")
def test_the_kernel_buffers_little_for_a_slow_reader(stack: ExitStack) -> None:
    (sock,) = bound(stack, Address("127.0.0.1", 0))
    sock.listen()
    stack.enter_context(socket.create_connection(sock.getsockname()))
    accepted = stack.enter_context(sock.accept()[0])

    held = accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT)
    assert held == UNSENT_IN_KERNEL


# Advertised and default listen addresses.


V4, V6 = socket.AF_INET, socket.AF_INET6
SEED = Address("10.9.0.1", 7070)
NAME = Address("kyle.example", 7070)
HERE = Address("127.0.0.1", 7070)
LOCALHOST = Address("localhost", 7071)


class FakeRoutes:
    """A fake ``socket.socket``: local addresses by family, and one to 10.9.0.0/24."""

    def __init__(self, routes: dict[socket.AddressFamily, str], private: str = "") -> None:
        self.routes = routes
        self.private = private
        self._local = ""

    def __call__(self, family: socket.AddressFamily, _: socket.SocketKind) -> "FakeRoutes":
        self._family = family
        return self

    def __enter__(self) -> "FakeRoutes":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def connect(self, where: tuple[str, int]) -> None:
        assert ipaddress.ip_address(where[0]).is_global is False
        self._local = self.routes.get(self._family, "")
        if where[0].startswith("10.9.0.") and self.private:
            self._local = self.private
        if not self._local:
            raise OSError("network is unreachable")

    def getsockname(self) -> tuple[str, int]:
        return self._local, 40000


@pytest.mark.parametrize("host", ["127.0.0.1", "10.1.2.3", "::1", "kyle", "fe80::1%eth0"])
def test_an_address_that_is_no_wildcard_is_advertised_unchanged(host: str) -> None:
    assert advertised_address(Address(host, 7071)) == Address(host, 7071)


@pytest.mark.parametrize(
    ("listen", "routes", "host"),
    [
        ("0.0.0.0", {V4: "10.1.2.3", V6: "2001:db8::9"}, "10.1.2.3"),
        ("::", {V4: "10.1.2.3", V6: "2001:db8::9"}, "10.1.2.3"),
        ("::", {V6: "2001:db8::9"}, "2001:db8::9"),
        ("0.0.0.0", {V6: "2001:db8::9"}, "127.0.0.1"),
        ("::", {}, "127.0.0.1"),
    ],
)
def test_for_a_wildcard_the_address_that_routes_to_the_internet_is_advertised(
    listen: str, routes: dict[socket.AddressFamily, str], host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets_module.socket, "socket", FakeRoutes(routes))

    assert advertised_address(Address(listen, 7071)) == Address(host, 7071)


@pytest.mark.parametrize(
    ("seeds", "advertised", "default"),
    [
        ([SEED], "10.9.0.7", "10.9.0.7"),
        ([HERE, SEED], "10.9.0.7", "10.9.0.7"),
        ([Address("2001:db8:9::1", 7070), SEED], "10.9.0.7", "10.9.0.7"),
        ([NAME], "10.1.2.3", "10.1.2.3"),
        ([HERE, Address("::1", 7070), LOCALHOST], "10.1.2.3", "127.0.0.1"),
        ([], "10.1.2.3", "127.0.0.1"),
    ],
)
def test_with_seeds_the_agent_uses_the_address_that_routes_to_the_first_remote_one(
    seeds: list[Address], advertised: str, default: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    routes = FakeRoutes({V4: "10.1.2.3"}, "10.9.0.7")
    monkeypatch.setattr(sockets_module.socket, "socket", routes)

    assert advertised_address(Address("0.0.0.0", 7071), seeds) == Address(advertised, 7071)
    assert default_listen_address(HERE, seeds) == Address(default, 7070)


@pytest.mark.parametrize(
    ("advertise", "seeds", "unreachable"),
    [
        (HERE, [SEED], True),
        (Address("::1", 7070), [HERE, NAME], True),
        (LOCALHOST, [SEED], True),
        (HERE, [HERE, LOCALHOST], False),
        (HERE, [], False),
        (Address("10.1.2.3", 7070), [SEED], False),
        (Address("kyle", 7070), [SEED], False),
    ],
)
def test_a_loopback_address_is_unreachable_for_remote_seeds(
    advertise: Address, seeds: list[Address], unreachable: bool
) -> None:
    assert is_unreachable(advertise, seeds) is unreachable


def test_without_a_network_the_agent_listens_locally(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets_module.socket, "socket", FakeRoutes({}))

    assert default_listen_address(HERE, [SEED, NAME]) == HERE


def test_finding_the_advertised_address_needs_no_network_and_no_name_server() -> None:
    assert advertised_address(Address("0.0.0.0", 7071), [NAME]).port == 7071
