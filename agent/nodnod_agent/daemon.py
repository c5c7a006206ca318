"""Builds the parts, owns every task, and stops them in order."""

import asyncio
import contextlib
import gc
import logging
import os
import random
import resource
import secrets
import signal
import socket
from collections.abc import Callable
from ipaddress import ip_address
from time import time

from msgspec import structs

from nodnod_agent.auth.access import Access, read_access, read_names
from nodnod_agent.auth.policy import AuthPolicy
from nodnod_agent.collectors.sampler import Sampler
from nodnod_agent.config.settings import ACCESS, Settings
from nodnod_agent.config.validators import ConfigError
from nodnod_agent.core.interfaces import Hello
from nodnod_agent.core.limits import Limits
from nodnod_agent.core.node import Node
from nodnod_agent.core.stats.sample import Sample
from nodnod_agent.http.pages import Pages
from nodnod_agent.net.full_name import look_up_full_name
from nodnod_agent.net.lookup import Lookup, is_literal
from nodnod_agent.net.resolver import Resolver
from nodnod_agent.net.sockets import advertised, bind, out_of_reach
from nodnod_agent.systemd import SystemdNotifier, census
from nodnod_agent.transport.dialer import Dialer
from nodnod_agent.transport.fair_queue import FairQueue
from nodnod_agent.transport.server import Server
from nodnod_client import __version__
from nodnod_client.address import Address, parse_address

STOP_LIMIT = 1.5
"""Seconds that clients have to take their goodbye."""

LEAVE_AHEAD = 0.1
"""Seconds between the word that we leave and the end of the connections."""

RESERVED_FILES = 128
MAX_CLIENTS = 10_000
ENOUGH_FILES = 65_536
"""Open files that no agent outgrows: clients, links, and each TLS handshake once more."""

log = logging.getLogger("nodnod")

Reload = Callable[[], Settings]


def run(settings: Settings, reload: Reload) -> int:
    """Run one agent until SIGTERM or SIGINT; the exit status.

    ``reload`` reads the settings anew, on SIGHUP; it raises ConfigError. Raises OSError if it
    cannot listen, ConfigError for what is wrong with a secret or certificate.
    """
    access = read_access(settings, os.environ)
    _raise_file_limit()
    sockets = bind(settings.listen)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_serve(settings, access, reload, sockets))


async def _serve(
    settings: Settings, access: Access, reload: Reload, sockets: list[socket.socket]
) -> int:
    daemon = _Daemon(settings, access, reload, sockets[0].getsockname()[1])
    await daemon.start(sockets)
    try:
        await daemon.told_to_stop.wait()
    finally:
        await daemon.stop()
    return 0


class _Daemon:
    """One running agent. What is made here is stopped here."""

    def __init__(self, settings: Settings, access: Access, reload: Reload, port: int) -> None:
        self._loop = loop = asyncio.get_running_loop()
        self._settings = settings
        self._access = access
        self._reload = reload
        self._sampled = asyncio.Event()
        self.told_to_stop = asyncio.Event()
        self._listen = Address(settings.listen.host, port)
        advertise = settings.advertise or advertised(self._listen, _seeds(settings))
        instance = secrets.token_hex(8)
        hello = Hello(2, settings.name, instance, str(advertise))
        self._sampler = Sampler(settings.interval, self._deliver, loop=loop, version=__version__)
        look_up = Lookup(loop)
        limits = Limits(**settings.limits)  # type: ignore[arg-type]  # validated
        turns = FairQueue(loop)
        self._dialler = Dialer(loop, hello, look_up, limits=limits, turns=turns)
        self._cluster = Node(
            name=settings.name,
            address=hello.address,
            instance=instance,
            clock=loop,
            wall=time,
            rng=random.Random(),  # noqa: S311  # jitter, no secret
            dial=self._dialler,
            want=self._sampler.want,
            mode=settings.mode,
            interval=settings.interval,
            limits=limits,
        )
        self._own = {self._listen, advertise}
        self._resolver = Resolver(self._cluster.peers.resolved, look_up)
        self._pages = Pages(self._cluster, self._sampler.timings, turns.later)
        self._gate = AuthPolicy(advertised=advertise, public=self._pages.public)
        self._server = Server(
            loop,
            self._cluster,
            hello=hello,
            digest=self._digest,
            page=self._pages,
            max_clients=_max_clients(limits, tls=access.tls is not None),
            counters=self._cluster.counters,
            limits=limits,
            gate=self._gate,
            turns=turns,
        )
        roster = self._cluster.peers.roster
        self._supervisor = SystemdNotifier(
            os.environ, loop, lambda: census(roster), interval=settings.interval
        )
        self._full_name = ""
        self._exposed = False
        """Whether it listens where others than this machine can reach it."""
        self._admit(settings, access)

    async def start(self, sockets: list[socket.socket]) -> None:
        """Sample, listen, dial."""
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self.told_to_stop.set)
        self._loop.add_signal_handler(signal.SIGHUP, self._hung_up)
        self._sampler.start()
        await self._sampled.wait()  # else the first client would meet numbers that mean nothing
        # What is there now stays for good: the collector need not look through it ever again.
        gc.collect()
        gc.freeze()
        self._server.listen(sockets)
        look_up_full_name(self._loop, self._call_ourselves)
        name, advertise = self._settings.name, self._cluster.peers.gossip.view.own.address
        log.info("Starting NodNod websocket server: [%s : %s]", name, self._listen)
        if advertise != str(self._listen):
            log.info("Advertising address %s", advertise)
        if out_of_reach(parse_address(advertise), _seeds(self._settings)):
            log.warning("Other machines cannot dial %s, which is advertised", advertise)
        self._exposed = not all(map(_is_local, sockets))
        self._warn_if_open()
        log.info("Starting discovery service")
        self._cluster.start()
        for node in _seeds(self._settings):
            self._add(node)
        self._supervisor.ready()

    async def stop(self) -> None:
        """Say goodbye, and wait for nobody for long."""
        log.info("Stopping")
        self._supervisor.stopping()
        self._sampler.stop()
        self._server.close()
        self._resolver.stop()
        self._cluster.leave()
        # On another connection than the goodbye to come: let it be there first.
        await asyncio.sleep(LEAVE_AHEAD)
        self._cluster.stop()
        self._pages.stop()
        await self._server.drained(STOP_LIMIT)
        await self._dialler.drained(STOP_LIMIT / 3)
        self._supervisor.close()

    def _digest(self) -> str:
        return self._cluster.peers.gossip.view.digest

    def _deliver(self, sample: Sample) -> None:
        self._cluster.sampled(sample)
        self._supervisor.sampled(sample.clock)
        self._sampled.set()

    def _add(self, node: Address) -> None:
        if node in self._own:
            return
        if is_literal(node.host):
            self._cluster.peers.add(node)
        else:
            self._cluster.peers.expect(node)
            self._resolver.add(node)

    def _hung_up(self) -> None:
        with self._supervisor.reloading():
            self._read_again()

    def _read_again(self) -> None:
        try:
            settings = self._reload()
            access = read_access(settings, os.environ, self._access)
        except ConfigError as error:
            log.error("Configuration not reloaded, nothing is changed: %s", error)
            return
        before, after = set(_seeds(self._settings)), set(_seeds(settings))
        for node in after - before:
            self._add(node)
        # After that: a node whose address has changed is down at the new one, perhaps, not gone.
        for node in before - after:
            self._resolver.remove(node)
            self._cluster.peers.remove(node)
        log.info(
            "Configuration reloaded: nodes added: %d, removed: %d",
            len(after - before),
            len(before - after),
        )
        was_closed = self._access.tokens is not None
        self._admit(settings, access)
        if was_closed:
            self._warn_if_open()
        for field in settings.__struct_fields__:
            if field not in _LIVE and getattr(settings, field) != getattr(self._settings, field):
                log.warning("Setting %s has changed: that needs a restart", field)
        live = {field: getattr(settings, field) for field in _LIVE}
        self._settings = structs.replace(self._settings, **live)

    def _admit(self, settings: Settings, access: Access) -> None:
        """Hold to these secrets, certificates and names from now on; who is in stays in."""
        members = self._cluster.peers.roster.members.__contains__
        self._gate.names = read_names(settings, self._own, members, self._full_name)
        self._gate.tokens = self._dialler.tokens = access.tokens
        self._server.tls = access.tls.server if access.tls is not None else None
        self._dialler.tls = access.tls.client if access.tls is not None else None
        self._access = access

    def _warn_if_open(self) -> None:
        if self._exposed and self._access.tokens is None:
            log.warning(
                "Anybody who reaches %s may read and join this cluster: make a secret with "
                "`nodnod secret`, and name it in the setting auth.secrets of all its agents",
                self._listen,
            )

    def _call_ourselves(self, full_name: str) -> None:
        self._full_name = full_name
        self._admit(self._settings, self._access)


_LIVE = {"nodes", "join", *(row.field for row in ACCESS)}
"""Settings that need no restart."""


def _seeds(settings: Settings) -> tuple[Address, ...]:
    return tuple(dict.fromkeys(settings.join + settings.nodes))


def _is_local(sock: socket.socket) -> bool:
    return ip_address(sock.getsockname()[0].partition("%")[0]).is_loopback


def _raise_file_limit() -> None:
    """Take as many open files as we may have: the usual 1024 is for programs that call select()."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = ENOUGH_FILES if hard == resource.RLIM_INFINITY else min(hard, ENOUGH_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        with contextlib.suppress(
            OSError, ValueError
        ):  # macOS allows fewer than its hard limit says
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _max_clients(limits: Limits, *, tls: bool) -> int:
    if limits.connections is not None:
        return limits.connections
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Each handshake of TLS takes a second descriptor for as long as it lasts.
    reserved = RESERVED_FILES + (limits.unauthenticated if tls else 0)
    return min(MAX_CLIENTS, max(files - reserved, files // 2))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # no wheel for this platform: asyncio's own loop does
        return None
    return uvloop.new_event_loop
