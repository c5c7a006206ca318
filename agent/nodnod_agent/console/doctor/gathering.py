"""Asks an agent, and all others that it knows, for what the checks need."""

import asyncio
import re
import ssl
from collections.abc import Callable
from time import time
from typing import TypeVar

from msgspec import Struct
from websockets.uri import parse_uri

from nodnod_agent.auth.certificate import Certificate
from nodnod_agent.console.credentials import CommandClient
from nodnod_agent.console.shown_certificate import shown_certificate
from nodnod_agent.net.ip import is_loopback
from nodnod_client.address import Address, parse_address
from nodnod_client.client import Client
from nodnod_client.errors import AddressError, NodNodError, StatFailedError
from nodnod_client.messages import Answer, BackplaneInfo, MemberInfo, Members, NodeStats
from nodnod_client.sections import SECTIONS

CONCURRENCY = 32
"""Agents asked at the same time."""

TIME_LIMIT = 30.0
"""Seconds in which all other agents must answer."""

MAX_OTHERS = 1024
"""Other agents that are asked at most: the list comes from another machine."""

MAX_DIFFERENCE = 5.0
"""Seconds that an agent may take to hear the others' stats and clocks."""

T = TypeVar("T")


class Other(Struct):
    """What another member told when it was asked directly.

    ``view`` is its list of members, or ``failure`` says why there is none. ``refuses`` are the origins
    of the page of the agent that is examined which it does not answer; None if that is unknown.
    """

    row: MemberInfo
    view: list[MemberInfo] = []
    failure: str = ""
    refuses: list[str] | None = None
    certificate: Certificate | None = None


class Found(Struct, kw_only=True):
    """What was found. ``members`` has the row of the agent itself first; times in Unix seconds.

    ``failure`` says why the agent did not answer; then the rest is empty. ``is_open``: whether it
    answers without a token, None if unknown. ``backplane``: None if it has none. ``here``: whether it answered at the address that it
    advertises, or why not. ``unknown`` are the sections that its version does not know.
    """

    server: Address
    tls: bool
    failure: str = ""
    now: float
    members: list[MemberInfo] = []
    own: NodeStats | None = None
    unknown: list[str] = []
    cluster: Answer = Answer()
    backplane: BackplaneInfo | None = None
    others: list[Other] = []
    is_open: bool | None = None
    here: str = ""
    certificate: Certificate | None = None


async def gather(
    client: CommandClient, dial: Callable[[str], Client], trust: ssl.SSLContext, *, token: bool
) -> Found:
    """Ask the agent of ``client``, and those that it knows through clients made by ``dial``.

    ``trust`` is for pages over TLS, ``token`` whether the clients have one.
    """
    uri = parse_uri(client.url)
    server = Address(uri.host, uri.port)
    found = Found(server=server, tls=uri.secure, now=time())
    try:
        async with client:
            answer, found.unknown = await _own_sections(client)
            found.own = next(iter(answer.nodes.values()), None)
            found.cluster = await client.stat_all(
                detail=["system"], history=5, deadline=MAX_DIFFERENCE
            )
            # Last: a peer that has just gone silent is down by now.
            members = await client.members()
            found.members, found.backplane = members.members, members.backplane
    except NodNodError as error:
        found.failure = str(error)
    probe = _Probe(trust if uri.secure else None, client.timeout)
    found.certificate = await probe.certificate(server)
    if found.failure or not found.members:
        found.failure = found.failure or "it lists no members, not even itself"
        return found
    own = found.members[0]
    found.is_open = not token
    if token:  # one line in the log of an agent that wants one
        status = await probe.status(server, "/members")
        found.is_open = None if status is None else status == 200
    try:
        async with dial(own.address) as again:
            there = {row.instance for row in (await again.members()).members[:1]}
        found.here = "" if there == {own.instance} else "another agent answers there"
    except NodNodError as error:
        found.here = str(error)
    rows = [row for row in found.members[1:] if row.state != "left" and row.version != 1]
    rows.sort(key=lambda row: row.state != "up")  # those that may take all the time come last
    scheme = "https" if uri.secure else "http"
    # Nobody but this machine opens the page at an address of loopback that is not advertised.
    places = {own.address} | ({str(server)} if not is_loopback(server.host) else set())
    origins = sorted(f"{scheme}://{_netloc(place, scheme)}" for place in places)
    found.others = await _ask_others(rows[:MAX_OTHERS], dial, probe, origins)
    return found


async def _own_sections(client: Client) -> tuple[Answer, list[str]]:
    """The agent's own stats with all sections that it knows, and the names of the others."""
    try:
        return await client.stat(detail=sorted(SECTIONS)), []
    except StatFailedError as error:  # an older agent names those that it knows
        words = set(re.findall(r"\w+", str(error).partition("got")[0]))
        known = sorted(SECTIONS & words)
        if not known:
            raise
        return await client.stat(detail=known), sorted(SECTIONS - words)


async def _ask_others(
    rows: list[MemberInfo], dial: Callable[[str], Client], probe: "_Probe", origins: list[str]
) -> list[Other]:
    others = [Other(row, failure=f"no answer within {TIME_LIMIT:g} s") for row in rows]
    slots = asyncio.Semaphore(CONCURRENCY)

    async def ask(other: Other) -> None:
        async with slots:
            try:
                address = parse_address(other.row.address)
                other.certificate = await probe.certificate(address)
                async with dial(other.row.address) as client:
                    members: Members = await client.members()
                other.view, other.failure = members.members, ""
                statuses = {
                    origin: await probe.status(address, "/healthz", origin) for origin in origins
                }
                if None not in statuses.values():
                    other.refuses = [one for one, status in statuses.items() if status != 200]
            except (NodNodError, AddressError) as error:
                other.failure = str(error)

    tasks = [asyncio.create_task(ask(other)) for other in others]
    if tasks:
        _, late = await asyncio.wait(tasks, timeout=TIME_LIMIT)
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return others


class _Probe:
    """Asks what needs no WebSocket, over TLS if there is ``tls``."""

    def __init__(self, tls: ssl.SSLContext | None, timeout: float) -> None:
        self._tls = tls
        self._timeout = timeout

    async def status(self, address: Address, path: str, origin: str = "") -> int | None:
        """The HTTP status of a page without a token, asked by a page of ``origin``; or None."""
        try:
            async with asyncio.timeout(self._timeout):
                host = address.host.partition("%")[0] if self._tls else None
                reader, writer = await asyncio.open_connection(
                    address.host, address.port, ssl=self._tls, server_hostname=host
                )
                try:
                    lines = [f"GET {path} HTTP/1.1", f"Host: {address}"]
                    lines += [f"Origin: {origin}"] if origin else []
                    writer.write("\r\n".join([*lines, "", ""]).encode())
                    return int((await reader.readline()).split()[1])
                finally:
                    writer.transport.abort()
        except (OSError, ValueError, IndexError):  # TimeoutError is an OSError
            return None

    async def certificate(self, address: Address) -> Certificate | None:
        """The certificate that an agent shows, whether or not it is accepted; None without TLS."""
        if self._tls is None:
            return None
        return await shown_certificate(address.host, address.port, self._timeout)


def _netloc(address: str, scheme: str) -> str:
    """An address as browsers write it: without the port that the scheme implies."""
    default = ":443" if scheme == "https" else ":80"
    return address.removesuffix(default)
