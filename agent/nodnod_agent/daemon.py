"""Builds the parts of one agent, owns every task, and stops them in order."""

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
from collections.abc import Callable, Sequence, Set
from functools import partial
from time import time
from typing import TYPE_CHECKING, Protocol

from msgspec import structs

from nodnod_agent.auth.access import (
    Credentials,
    host_policy,
    own_hosts,
    own_origins,
    read_credentials,
)
from nodnod_agent.auth.expiry_watch import ExpiryWatch
from nodnod_agent.auth.member_origins import Known, MemberOrigins
from nodnod_agent.auth.policy import AuthPolicy
from nodnod_agent.backplane.access import NatsAccess, read_access
from nodnod_agent.collectors.sampler import Sampler, open_machine
from nodnod_agent.config.settings import ACCESS, CHANNELS, SETTINGS, Settings
from nodnod_agent.config.validators import ConfigError
from nodnod_agent.core.alerts.metrics import CERTIFICATE_DAYS
from nodnod_agent.core.interfaces import Hello
from nodnod_agent.core.limits import Limits
from nodnod_agent.core.membership.table import DAY
from nodnod_agent.core.node import Node
from nodnod_agent.core.stats.sample import Sample
from nodnod_agent.http.pages import Pages
from nodnod_agent.net.dns import Lookup, Resolver, look_up_full_name
from nodnod_agent.net.ip import ip_literal, is_loopback
from nodnod_agent.net.sockets import advertised_address, bind, is_unreachable
from nodnod_agent.notify.channels import Channels, ChannelUrls, read_urls
from nodnod_agent.state import HistoryFile
from nodnod_agent.systemd import SystemdNotifier, node_counts
from nodnod_agent.transport.dialer import DialAttempt
from nodnod_agent.transport.fair_queue import FairQueue
from nodnod_agent.transport.half_messages import MOST, HalfMessages
from nodnod_agent.transport.peer_connection import DialContext
from nodnod_agent.transport.server import Server
from nodnod_agent.transport.server_connection import ServerContext
from nodnod_client import __version__
from nodnod_client.address import Address, parse_address

if TYPE_CHECKING:
    from nodnod_agent.backplane.nats import NatsBackplane

DRAIN_TIMEOUT = 1.5
"""Seconds in which clients must read their close frames when the agent stops."""

SAVE_TIMEOUT = 1.5
"""Seconds in which the history must be written when the agent stops."""

FIRST_SAMPLE = 3.0
"""Seconds without a first sample after which a warning says so; a quarter of one is usual."""

LEAVE_DELAY = 0.1
"""Seconds between telling the peers that this node leaves and closing the connections."""

RESERVED_FILES = 128
MAX_CLIENTS = 10_000
MAX_OPEN_FILES = 65_536
"""No agent needs more."""

log = logging.getLogger("nodnod")


class Source(Protocol):
    """Where the settings come from."""

    def read(self) -> Settings:
        """Read them (again). Raises ConfigError."""

    def announce(self) -> None:
        """Log which file was read at the start."""

    def at_its_place(self, fault: str) -> str:
        """A fault that begins with the key of a setting, beginning with where it is set instead."""


def run(settings: Settings, source: Source) -> None:
    """Run one agent until SIGTERM or SIGINT.

    Raises OSError if binding fails, and ConfigError for a fault in a secret, certificate or channel,
    which begins with the key of the setting.
    """
    credentials = read_credentials(settings, os.environ)
    urls = read_urls(settings, os.environ)
    access = read_access(settings, os.environ)
    _raise_file_limit()
    sockets = bind(settings.listen)
    source.announce()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(settings, credentials, urls, access, source, sockets))


async def _serve(
    settings: Settings,
    credentials: Credentials,
    urls: ChannelUrls,
    access: NatsAccess | None,
    source: Source,
    sockets: list[socket.socket],
) -> None:
    daemon = _Daemon(settings, credentials, urls, access, source, sockets[0].getsockname()[1])
    await daemon.start(sockets)
    try:
        await daemon.stop_requested.wait()
    finally:
        await daemon.stop()


class _Daemon:
    """One running agent. It stops everything that it starts."""

    def __init__(
        self,
        settings: Settings,
        credentials: Credentials,
        urls: ChannelUrls,
        access: NatsAccess | None,
        source: Source,
        port: int,
    ) -> None:
        self._loop = loop = asyncio.get_running_loop()
        self._settings = settings
        self._credentials = credentials
        self._source = source
        self._sampled = asyncio.Event()
        """Whether there is a sample, or there need be none because the agent stops."""
        self.stop_requested = asyncio.Event()
        self._listen = Address(settings.listen.host, port)
        self._advertise = settings.advertise or _advertised(settings, self._listen)
        instance = secrets.token_hex(8)
        hello = Hello(2, settings.name, instance, str(self._advertise))
        self._sampler = Sampler(
            settings.interval,
            self._deliver,
            loop=loop,
            open_machine=partial(
                open_machine, __version__, settings.custom_directory, settings.custom_max_age
            ),
        )
        lookup = Lookup(loop)
        limits = Limits(**settings.limits)  # type: ignore[arg-type]  # validated
        queue = FairQueue(loop)
        halves = HalfMessages(max(MOST, limits.peer_message))
        self._dialing = DialContext(
            loop=loop, queue=queue, hello=hello, look_up=lookup, limits=limits, halves=halves
        )
        self._channels = Channels(loop)
        rng = random.Random()  # noqa: S311  # jitter, no secret
        self._backplane = None if access is None else _connect(access, loop, lookup, rng)
        self._node = Node(
            name=settings.name,
            address=hello.address,
            instance=instance,
            clock=loop,
            wall=time,
            rng=rng,
            dial=partial(DialAttempt, self._dialing),
            want=self._sampler.demand,
            mode=settings.mode,
            interval=settings.interval,
            rules=settings.alerts_rules,
            limits=limits,
            tags=settings.tags,
            site=settings.site or "",
            release=__version__,
            backplane=self._backplane,
            cluster=settings.backplane_cluster,
            notify=self._channels.notify,
            beat=self._channels.beat,
        )
        self._history_file: HistoryFile | None = None
        if settings.state_directory is not None:
            self._history_file = HistoryFile(
                settings.state_directory, settings.name, self._node.local.history
            )
        self._node.watch.known[CERTIFICATE_DAYS] = self._certificate_days
        self._use_channels(urls)
        self._own = {self._listen, self._advertise}
        self._resolver = Resolver(self._node.configured.resolved, lookup)
        self._expiries = ExpiryWatch(loop, time)
        scraped = ("custom",) if settings.custom_directory else ()
        self._pages = Pages(
            self._node,
            self._sampler.timings,
            queue.enqueue_call,
            scraped,
            expiries=lambda: self._expiries.ends,
        )
        self._policy = AuthPolicy(advertised=self._advertise, is_public=self._pages.is_public)
        self._server = Server(
            ServerContext(
                loop=loop,
                queue=queue,
                accept=self._node.accepted,
                page=self._pages,
                hello=hello,
                digest=lambda: self._node.peers.gossip.table.digest,
                max_clients=_max_clients(limits),
                limits=limits,
                counters=self._node.counters,
                halves=halves,
                policy=self._policy,
            )
        )
        roster = self._node.peers.roster
        self._systemd = SystemdNotifier(
            os.environ, loop, lambda: node_counts(roster), interval=settings.interval
        )
        # Started by hand, and not by nohup or a shell that ignores the signal.
        ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        self._has_terminal = os.isatty(0) and not ignored
        self._full_name = ""
        self._is_exposed = False
        """Whether other machines can reach the listening address."""
        self._apply(settings, credentials)

    async def start(self, sockets: list[socket.socket]) -> None:
        """Start sampling, listening and dialing; nothing more once a stop is requested."""
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._request_stop)
        self._loop.add_signal_handler(signal.SIGHUP, self._on_hangup)
        if self._history_file is None:
            self._start_sampling()
        else:
            self._history_file.start(self._start_sampling)
        await self._sampled.wait()  # the first client must not get numbers from before a sample
        if self.stop_requested.is_set():
            return
        # These objects live as long as the process: the garbage collector need not scan them again.
        gc.collect()
        gc.freeze()
        self._server.listen(sockets)
        look_up_full_name(self._loop, self._on_full_name)
        name = self._settings.name
        log.info("Starting NodNod websocket server: [%s : %s]", name, self._listen)
        if self._advertise != self._listen:
            log.info("Advertising address %s", self._advertise)
        if is_unreachable(self._advertise, self._settings.elsewhere):
            log.warning("Other machines cannot dial the advertised address %s", self._advertise)
        self._is_exposed = not all(is_loopback(sock.getsockname()[0]) for sock in sockets)
        self._warn_if_unprotected()
        self._expiries.use(self._credentials.tls)
        log.info("Starting discovery service")
        self._node.start()
        for node in _seeds(self._settings):
            self._add(node)
        self._systemd.ready()

    async def stop(self) -> None:
        """Leave the cluster and close all connections; wait for slow clients only briefly."""
        log.info("Stopping")
        self._systemd.stopping()
        self._sampler.stop()
        self._expiries.stop()
        saving = self._loop.create_task(self._save())
        self._server.close()
        self._resolver.stop()
        self._node.leave()
        # Peers must receive the departure before their connections close.
        await asyncio.sleep(LEAVE_DELAY)
        self._node.stop()
        self._pages.stop()
        leaving = self._loop.create_task(self._end_backplane())
        await self._server.drained(DRAIN_TIMEOUT)
        await self._dialing.table.drained(DRAIN_TIMEOUT / 3)
        await saving
        await leaving
        self._systemd.close()

    async def _end_backplane(self) -> None:
        if self._backplane is not None:
            await self._backplane.stop()

    async def _save(self) -> None:
        if self._history_file is not None:
            await self._history_file.stop(SAVE_TIMEOUT)

    def _request_stop(self) -> None:
        self.stop_requested.set()
        self._sampled.set()

    def _start_sampling(self) -> None:
        self._sampler.start()
        self._loop.call_later(FIRST_SAMPLE, self._warn_of_no_sample)

    def _warn_of_no_sample(self) -> None:
        if self._sampled.is_set():
            return
        text = "No sample of this machine after %g s; the agent does not listen before it. It is %s"
        log.warning(text, FIRST_SAMPLE, f"still {self._sampler.busy_with()}")

    def _deliver(self, sample: Sample) -> None:
        self._node.sampled(sample)
        self._systemd.sampled(sample.clock)
        self._sampled.set()

    def _add(self, node: Address) -> None:
        if node in self._own:
            return
        if ip_literal(node.host) is not None:
            self._node.configured.add(node)
        else:
            self._node.configured.expect(node)
            self._resolver.add(node)

    def _on_hangup(self) -> None:
        """Reload the settings, or stop because the terminal has gone from which the agent was started."""
        if self._has_terminal and not os.isatty(0):
            log.info("The terminal is gone")
            self._request_stop()
            return
        with self._systemd.reloading():
            self._reload_settings()

    def _reload_settings(self) -> None:
        try:
            settings = self._source.read()
            credentials = read_credentials(settings, os.environ, self._credentials)
            urls = read_urls(settings, os.environ)
        except ConfigError as error:
            fault = self._source.at_its_place(str(error))
            log.error("Configuration not reloaded, nothing is changed: %s", fault)
            self._node.note("reloaded", f"nothing is changed: {fault}")
            return
        before, after = set(_seeds(self._settings)), set(_seeds(settings))
        for node in after - before:
            self._add(node)
        # Added before removed: a node whose address has changed stays listed, even if it is down.
        for node in before - after:
            self._resolver.remove(node)
            self._node.configured.remove(node)
        log.info(
            "Configuration reloaded: nodes added: %d, removed: %d",
            len(after - before),
            len(before - after),
        )
        tags = structs.replace(settings, site=self._settings.site).all_tags
        self._node.peers.retag(tags)
        self._use_channels(urls)
        was_protected = self._credentials.tokens is not None
        self._apply(settings, credentials)
        self._expiries.use(credentials.tls)
        self._node.judge_by(settings.alerts_rules, tags)
        if was_protected:
            self._warn_if_unprotected()
        reloaded = {field: getattr(settings, field) for field in _RELOADED}
        changed = _keys(_differing(self._settings, settings) & _RELOADED)
        self._settings = structs.replace(self._settings, **reloaded)
        waiting = _keys(_differing(self._settings, settings))
        for key in waiting:
            log.warning("Setting %s has changed: that needs a restart", key)
        self._node.note("reloaded", _reload_text(changed, waiting))

    def _use_channels(self, urls: ChannelUrls) -> None:
        """Tell people over these from now on."""
        channels, node = self._channels, self._node
        channels.use(urls)
        node.alert_view.labels = {one.id: one.label for one in channels.all}
        node.alerts.use(channels.ids)

    def _apply(self, settings: Settings, credentials: Credentials) -> None:
        """Use these secrets, certificates and host names for new connections."""
        peers, own, full_name = self._node.peers, self._own, self._full_name
        members = MemberOrigins(
            self._known,
            lambda: (peers.roster.version, peers.gossip.table.version),
            peers.roster.met.__contains__,
            hosts={*own_hosts(settings, own, full_name), *settings.allowed_hosts},
            believed=credentials.tokens is not None,
        )
        self._policy.hosts = host_policy(settings, own, members.accept, full_name)
        peers.rename_pages(own_origins(settings, self._listen, self._advertise, full_name))
        self._policy.tokens = self._dialing.tokens = credentials.tokens
        peers.believing = credentials.tokens is not None
        tls = credentials.tls
        self._server.context.tls = None if tls is None else tls.server
        self._dialing.tls = None if tls is None else tls.client
        self._credentials = credentials

    def _known(self) -> Known:
        """What this agent knows of others."""
        peers = self._node.peers
        return Known(peers.gossip.table.remembered(), tuple(peers.roster.members))

    def _certificate_days(self) -> float | None:
        """Days until this agent's certificate expires."""
        tls = self._credentials.tls
        return None if tls is None or tls.expires is None else (tls.expires - time()) / DAY

    def _warn_if_unprotected(self) -> None:
        if self._is_exposed and self._credentials.tokens is None:
            log.warning(
                "Authentication is off: anyone who reaches %s can read the stats and join the "
                "cluster; create a secret with `nodnod secret` and set auth.secrets on every agent",
                self._listen,
            )

    def _on_full_name(self, full_name: str) -> None:
        self._full_name = full_name
        self._apply(self._settings, self._credentials)


_RELOADED = {
    *("nodes", "join", "tags", "alerts_rules"),
    *(row.field for row in (*ACCESS, *CHANNELS)),
}
"""Settings that take effect without a restart."""


def _differing(one: Settings, other: Settings) -> set[str]:
    return {name for name in one.__struct_fields__ if getattr(one, name) != getattr(other, name)}


def _keys(fields: Set[str]) -> list[str]:
    """These settings as they are called in the file."""
    return sorted(row.key for row in SETTINGS if row.field in fields)


def _reload_text(changed: Sequence[str], waiting: Sequence[str]) -> str:
    """What an event says of settings that have changed, and of those that wait for a restart."""
    text = f"changed: {', '.join(changed)}" if changed else "nothing is changed"
    return f"{text}; needs a restart: {', '.join(waiting)}" if waiting else text


def _seeds(settings: Settings) -> tuple[Address, ...]:
    return tuple(dict.fromkeys(settings.join + settings.nodes))


def _connect(
    access: NatsAccess, loop: asyncio.AbstractEventLoop, lookup: Lookup, rng: random.Random
) -> "NatsBackplane":
    from nodnod_agent.backplane.nats import NatsBackplane  # what it needs is an extra

    return NatsBackplane(access, loop=loop, look_up=lookup, rng=rng)


def _advertised(settings: Settings, listen: Address) -> Address:
    """The address that others know this agent by, unless one is configured.

    Over a backplane nobody dials it, and agents in different networks may have one address. So it is the
    name of the node there, if that can be one of a host. Within a site it is dialed.
    """
    if settings.backplane and settings.site is None:
        with contextlib.suppress(ValueError):
            return parse_address(f"{settings.name}:{listen.port}")
    return advertised_address(listen, settings.elsewhere)


def _raise_file_limit() -> None:
    """Raise the soft limit of open files: the default of 1024 is for programs that use select()."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        # macOS may allow fewer than its hard limit.
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _max_clients(limits: Limits) -> int:
    if limits.connections is not None:
        return limits.connections
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return min(MAX_CLIENTS, max(files - RESERVED_FILES, files // 2))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # no wheel for this platform: use asyncio's own loop
        return None
    return uvloop.new_event_loop
