"""The settings of an agent: each with its type, its default and what its value must be.

A new setting is a field of ``Settings`` (its type and default) and a row of ``SETTINGS`` (its key
and its validator). Flag, environment variable, file key and help follow from the row.
"""

from collections.abc import Callable
from typing import Any, Literal

from msgspec import Struct

from nodnod_agent.config import validators
from nodnod_client.address import Address

KIB = 1024
MIB = 1024 * KIB


class Settings(Struct, frozen=True, kw_only=True):
    """What an agent runs on. conf/README.md says what raising each of them costs."""

    name: str
    listen: Address = Address("127.0.0.1", 7070)
    nodes: tuple[Address, ...] = ()
    join: tuple[Address, ...] = ()
    advertise: Address | None = None
    mode: Literal["pull", "push"] = "pull"
    interval: float = 1.0
    debug: bool = False
    log_format: Literal["text", "json"] = "text"
    auth_secrets: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    tls_cert: str | None = None
    tls_key: str | None = None
    tls_ca: str | None = None
    tls_require_client_cert: bool = False
    limits_connections: int | None = None
    limits_handshake: float | None = None
    limits_unauthenticated: int | None = None
    limits_client_message: int | None = None
    limits_peer_message: int | None = None
    limits_in_flight: int | None = None
    limits_control_frames: int | None = None
    limits_streams: int | None = None
    limits_unread: int | None = None
    limits_unread_for: float | None = None

    @property
    def limits(self) -> dict[str, float]:
        """The limits that are set, by their name; the core has the defaults of the others."""
        prefix = "limits_"
        return {
            field.removeprefix(prefix): value
            for field in self.__struct_fields__
            if field.startswith(prefix) and (value := getattr(self, field)) is not None
        }


class Setting(Struct, frozen=True, kw_only=True):
    """What one field of ``Settings`` is called, and what its value must be.

    ``key`` is its place in the file, with dots for objects in objects. ``kind`` stands for its
    value in the help; a flag without one is a switch. ``check`` and ``read`` are as in checks.py.
    """

    field: str
    key: str
    kind: str
    help: str
    check: Callable[[Any, str], Any]
    read: Callable[[str], Any] = str
    is_flag: bool = True

    @property
    def flag(self) -> str:
        """The flag, without its dashes."""
        return self.field.replace("_", "-")

    @property
    def variable(self) -> str:
        """The environment variable. One that is empty counts as not set."""
        return f"NODNOD_{self.field.upper()}"


def _file_setting(key: str, kind: str, help: str, check: Any, read: Any = str) -> Setting:  # noqa: A002
    """One that is no flag: these belong into a file, and their field follows from their key."""
    words = "".join(f"_{char.lower()}" if char.isupper() else char for char in key)
    field = words.replace(".", "_")
    return Setting(
        field=field, key=key, kind=kind, help=help, check=check, read=read, is_flag=False
    )


ACCESS = (
    _file_setting(
        "auth.secrets",
        "references",
        "The cluster's secret and those it replaces, each env:NAME or file:PATH; the first signs",
        validators.references,
        validators.read_list,
    ),
    _file_setting(
        "allowedOrigins",
        "origins",
        "Web sites whose pages may ask this agent, each as https://host",
        validators.origins,
        validators.read_list,
    ),
    _file_setting(
        "allowedHosts",
        "names",
        "Other names under which this agent is asked, as a Host header has them",
        validators.hosts,
        validators.read_list,
    ),
    _file_setting(
        "tls.cert",
        "path",
        "This agent's certificate and those that lead to its authority; turns TLS on",
        validators.path,
    ),
    _file_setting(
        "tls.key", "path", "The key of tls.cert, if that file does not hold it", validators.path
    ),
    _file_setting(
        "tls.ca",
        "path",
        "Certificates of the authorities that vouch for the other agents (default: the system's)",
        validators.path,
    ),
    _file_setting(
        "tls.requireClientCert",
        "true|false",
        "Admit only who has a certificate of tls.ca",
        validators.switch,
        validators.read_switch,
    ),
)
"""All of them are read again on SIGHUP, and the files that they name."""

LIMITS = (
    _file_setting(
        "limits.connections",
        "count",
        "Connections at once (default: 128 fewer than the open files, at most 10000)",
        validators.integer(1, 1_000_000),
        validators.read_number,
    ),
    _file_setting(
        "limits.handshake",
        "seconds",
        "Time from connecting to the end of the handshake",
        validators.seconds(0.1, 60),
        validators.read_number,
    ),
    _file_setting(
        "limits.unauthenticated",
        "count",
        "Connections before the end of their handshake; one more ends the oldest",
        validators.integer(1, 100_000),
        validators.read_number,
    ),
    _file_setting(
        "limits.clientMessage",
        "bytes",
        "One message from a client",
        validators.integer(KIB, 64 * MIB),
        validators.read_number,
    ),
    _file_setting(
        "limits.peerMessage",
        "bytes",
        "One message from an agent",
        validators.integer(64 * KIB, 256 * MIB),
        validators.read_number,
    ),
    _file_setting(
        "limits.inFlight",
        "count",
        "Unanswered requests per connection; more wait unread",
        validators.integer(1, 100_000),
        validators.read_number,
    ),
    _file_setting(
        "limits.controlFrames",
        "count",
        "Pings, pongs and tiny pieces of messages per connection and second",
        validators.integer(10, 1_000_000),
        validators.read_number,
    ),
    _file_setting(
        "limits.streams",
        "count",
        "Streams per connection",
        validators.integer(0, 10_000),
        validators.read_number,
    ),
    _file_setting(
        "limits.unread",
        "bytes",
        "Output that waits for one connection; who needs more is cut",
        validators.integer(128 * KIB, 1024 * MIB),
        validators.read_number,
    ),
    _file_setting(
        "limits.unreadFor",
        "seconds",
        "Time in which the other side must take some of its output, or is cut",
        validators.seconds(0.1, 3600),
        validators.read_number,
    ),
)


SETTINGS = (
    Setting(
        field="listen",
        key="listen",
        kind="address",
        help="Address to listen on; port 0 takes a free one",
        check=validators.address(any_port=True),
    ),
    Setting(
        field="name",
        key="name",
        kind="string",
        help="Name of this node within the cluster (default: the host name)",
        check=validators.name,
    ),
    Setting(
        field="nodes",
        key="nodes",
        kind="addresses",
        help="Where the agents of the cluster listen, separated by commas",
        check=validators.addresses,
        read=validators.read_list,
        is_flag=False,
    ),
    Setting(
        field="join",
        key="join",
        kind="addresses",
        help="Agents of a cluster to join, separated by commas; one that is alive is enough",
        check=validators.addresses,
        read=validators.read_list,
    ),
    Setting(
        field="advertise",
        key="advertise",
        kind="address",
        help="Where others can dial this agent (default: the listen address, or a guess)",
        check=validators.advertised,
    ),
    Setting(
        field="mode",
        key="mode",
        kind="string",
        help="How agents learn each other's stats: pull or push",
        check=validators.one_of("pull", "push"),
    ),
    Setting(
        field="interval",
        key="interval",
        kind="seconds",
        help="Time from one sample of this machine to the next",
        # A quarter second is the fastest stream there is; within a minute, stats are still live.
        check=validators.seconds(0.25, 60),
        read=validators.read_number,
    ),
    Setting(
        field="debug",
        key="debug",
        kind="",
        help="Set logging level to DEBUG",
        check=validators.switch,
        read=validators.read_switch,
    ),
    Setting(
        field="log_format",
        key="logFormat",
        kind="string",
        help="Form of the log lines: text or json",
        check=validators.one_of("text", "json"),
    ),
    *ACCESS,
    *LIMITS,
)
