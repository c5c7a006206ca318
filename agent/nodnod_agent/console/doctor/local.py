"""What only this machine tells of an agent that runs here: its sockets and its open files."""

import ipaddress
import re
import socket
from pathlib import Path

import psutil
from msgspec import Struct

from nodnod_agent.net.ip import is_loopback
from nodnod_client.address import Address

_UNSPECIFIED = ("0.0.0.0", "::")  # noqa: S104  # compared, not bound


class Local(Struct, frozen=True):
    """An agent on this machine.

    ``listens`` are the addresses of its sockets, ``interfaces`` those at which other machines may
    reach them, by the name of the interface. ``max_files`` is its limit of open files, and
    ``open_files`` how many it has open; None if this user may not know.
    """

    listens: list[str]
    interfaces: dict[str, list[str]]
    max_files: int | None
    open_files: int | None


def look(server: Address) -> Local | None:
    """Look at the agent at an address; None if it does not run here, or nothing is known of it."""
    own = {
        found.address.partition("%")[0]: name
        for name, all_of_it in psutil.net_if_addrs().items()
        for found in all_of_it
        if found.family in (socket.AF_INET, socket.AF_INET6)
    }
    asked = _addresses(server)
    if not asked & own.keys() and not any(map(is_loopback, asked)):
        return None
    try:
        rows = psutil.net_connections("tcp")
    except (psutil.Error, OSError):
        return None
    rows = [
        row
        for row in rows
        if row.status == psutil.CONN_LISTEN
        and row.laddr.port == server.port
        and (row.laddr.ip in _UNSPECIFIED or row.laddr.ip in asked)
    ]
    if not rows:
        return None
    hosts = {row.laddr.ip for row in rows}
    reachable: dict[str, list[str]] = {}
    for host, name in own.items():
        ip = ipaddress.ip_address(host)
        listened = host in hosts or any(one in hosts for one in _UNSPECIFIED)
        if listened and not ip.is_loopback and not ip.is_link_local:
            reachable.setdefault(name, []).append(host)
    pid = next((row.pid for row in rows if row.pid), None)
    listens = sorted(str(Address(host, server.port)) for host in hosts)
    return Local(listens, reachable, *_files(pid))


def _addresses(server: Address) -> set[str]:
    try:
        found = socket.getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM)
    except OSError:
        return set()
    return {str(row[4][0]).partition("%")[0] for row in found}


def _files(pid: int | None) -> tuple[int | None, int | None]:
    """The limit of open files of a process, and how many are open; None where that is unknown."""
    if pid is None:
        return None, None
    try:
        limits = Path(f"/proc/{pid}/limits").read_text()
        found = re.search(r"^Max open files\s+(\d+)", limits, re.MULTILINE)
    except OSError:
        found = None
    try:
        is_open = psutil.Process(pid).num_fds()
    except (psutil.Error, OSError):
        is_open = None
    return int(found[1]) if found else None, is_open
