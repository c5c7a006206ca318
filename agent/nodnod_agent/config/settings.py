"""The settings of an agent: the type, default and validator of each.

A new setting is a field of ``Settings`` (type and default) and a row of ``SETTINGS`` (key, kind of
value, help and validator). The flag and the environment variable follow from the row.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

from msgspec import Struct

from nodnod_agent.config import alert_rules, validators
from nodnod_agent.core.alerts.rules import Rule
from nodnod_client.address import Address

KIB = 1024
MIB = 1024 * KIB


class Settings(Struct, frozen=True, kw_only=True):
    """The values an agent runs with. conf/README.md says what raising each of them costs."""

    name: str
    listen: Address = Address("127.0.0.1", 7070)
    nodes: tuple[Address, ...] = ()
    join: tuple[Address, ...] = ()
    advertise: Address | None = None
    mode: Literal["pull", "push"] = "pull"
    interval: float = 1.0
    debug: bool = False
    tags: dict[str, str] = {}
    log_format: Literal["text", "json"] = "text"
    custom_directory: str | None = None
    custom_max_age: int = 3600
    state_directory: str | None = None
    alerts_rules: tuple[Rule, ...] = alert_rules.BUILT_IN_RULES
    alerts_notify: tuple[str, ...] = ()
    alerts_heartbeat: str | None = None
    auth_secrets: tuple[str, ...] = ()
    backplane: tuple[str, ...] = ()
    backplane_cluster: str = "default"
    site: str | None = None
    nats_user: str | None = None
    nats_password: str | None = None
    nats_token: str | None = None
    nats_nkey: str | None = None
    nats_creds: str | None = None
    nats_ca: str | None = None
    nats_cert: str | None = None
    nats_key: str | None = None
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
    def elsewhere(self) -> tuple[Address, ...]:
        """Addresses that tell on which network others dial this agent: the first ones, and of a site the servers."""
        servers = self.backplane if self.site is not None else ()
        return (*self.join, *self.nodes, *map(validators.nats_address, servers))

    @property
    def all_tags(self) -> dict[str, str]:
        """The tags of this node: those that are configured, and its site."""
        return self.tags if self.site is None else {**self.tags, "site": self.site}

    @property
    def limits(self) -> dict[str, float]:
        """The limits that are set, by name; the core has the defaults of the others."""
        prefix = "limits_"
        return {
            field.removeprefix(prefix): value
            for field in self.__struct_fields__
            if field.startswith(prefix) and (value := getattr(self, field)) is not None
        }


_READERS: dict[str, Callable[[str], Any]] = {
    "": validators.read_switch,
    "true|false": validators.read_switch,
    "seconds": validators.read_number,
    "count": validators.read_number,
    "bytes": validators.read_number,
    "addresses": validators.read_list,
    "references": validators.read_list,
    "origins": validators.read_list,
    "URLs": validators.read_list,
    "names": validators.read_list,
    "key=value": validators.read_pairs,
    "rules": validators.read_json,
}
"""How the text of a flag or variable is read, by kind of value; other kinds stay text."""


class Setting(Struct, frozen=True):
    """How one field of ``Settings`` is named and what its value must be.

    ``key`` is its place in the file, with dots for nested objects. ``kind`` stands for the value in
    the help; a flag without one is a switch. ``check`` is one of validators.py. ``item`` is the flag
    that gives one item, and may be repeated.
    """

    key: str
    kind: str
    check: Callable[[Any, str], Any]
    help: str
    is_flag: bool = True
    item: str = ""

    @property
    def field(self) -> str:
        """The field of ``Settings``: the key in snake case."""
        words = "".join(f"_{char.lower()}" if char.isupper() else char for char in self.key)
        return words.replace(".", "_")

    @property
    def flag(self) -> str:
        """The flag, without its dashes."""
        return self.item or self.field.replace("_", "-")

    @property
    def variable(self) -> str:
        """The environment variable. An empty one counts as not set."""
        return f"NODNOD_{self.field.upper()}"

    @property
    def read(self) -> Callable[[str], Any]:
        """The reader of the text of a flag or variable."""
        return _READERS.get(self.kind, str)


_file_only = partial(Setting, is_flag=False)
"""A setting that belongs into the file and has no flag."""

ACCESS = (
    _file_only("auth.secrets", "references", validators.references,
        "The cluster's secret and those it replaces, each env:NAME or file:PATH; the first signs"),
    _file_only("allowedOrigins", "origins", validators.list_of(validators.origin, "origins"),
        "Web sites whose pages may send requests to this agent, each as https://host"),
    _file_only("allowedHosts", "names", validators.list_of(validators.host, "host names"),
        "Other names of this agent, as clients send them in a Host header"),
    _file_only("tls.cert", "path", validators.path,
        "This agent's certificate and those that lead to its authority; turns TLS on"),
    _file_only("tls.key", "path", validators.path,
        "The key of tls.cert, if that file does not hold it"),
    _file_only("tls.ca", "path", validators.path,
        "Certificates of the authorities that sign the agents' (default: the system's)"),
    _file_only("tls.requireClientCert", "true|false", validators.switch,
        "Refuse connections without a certificate signed by tls.ca"),
)  # fmt: skip
"""SIGHUP reads all of them again, and the files that they name."""

CHANNELS = (
    _file_only("alerts.notify", "references", validators.url_references,
        "URLs over which people are told of problems, each env:NAME or file:PATH"),
    _file_only("alerts.heartbeat", "reference", validators.url_reference,
        "A URL that one agent asks each minute while the cluster lives, env:NAME or file:PATH"),
)  # fmt: skip
"""SIGHUP reads them again, and the URLs."""

NATS = (
    _file_only("nats.user", "string", validators.name,
        "The name by which the agents are known to the NATS servers"),
    _file_only("nats.password", "reference", validators.reference,
        "The password of nats.user, env:NAME or file:PATH"),
    _file_only("nats.token", "reference", validators.reference,
        "A token, in place of nats.user: env:NAME or file:PATH"),
    _file_only("nats.nkey", "reference", validators.reference,
        "The seed of an nkey, in place of nats.user: env:NAME or file:PATH"),
    _file_only("nats.creds", "reference", validators.reference,
        "The content of a .creds file, in place of nats.user: env:NAME or file:PATH"),
    _file_only("nats.ca", "path", validators.path,
        "Certificates of the authorities that sign the servers' (default: the system's); requires TLS"),
    _file_only("nats.cert", "path", validators.path,
        "The certificate that is shown to the servers; requires TLS"),
    _file_only("nats.key", "path", validators.path,
        "The key of nats.cert, if that file does not hold it"),
)  # fmt: skip

LIMITS = (
    _file_only("limits.connections", "count", validators.integer(1, 1_000_000),
        "Open connections (default: 128 fewer than the open files, at most 10000)"),
    _file_only("limits.handshake", "seconds", validators.seconds(0.1, 60),
        "Time from connecting to the end of the handshake"),
    _file_only("limits.unauthenticated", "count", validators.integer(1, 100_000),
        "Connections before the end of their handshake; one more ends the oldest"),
    _file_only("limits.clientMessage", "bytes", validators.integer(KIB, 64 * MIB),
        "One message from a client"),
    _file_only("limits.peerMessage", "bytes", validators.integer(64 * KIB, 256 * MIB),
        "One message from an agent"),
    _file_only("limits.inFlight", "count", validators.integer(1, 100_000),
        "Unanswered requests per connection; more wait unread"),
    _file_only("limits.controlFrames", "count", validators.integer(10, 1_000_000),
        "Pings, pongs and tiny message fragments per connection and second"),
    _file_only("limits.streams", "count", validators.integer(0, 10_000),
        "Streams per connection"),
    _file_only("limits.unread", "bytes", validators.integer(128 * KIB, 1024 * MIB),
        "Unsent output of one connection; more closes it"),
    _file_only("limits.unreadFor", "seconds", validators.seconds(0.1, 3600),
        "Time in which the other side must read some output, or is disconnected"),
)  # fmt: skip

SETTINGS = (
    Setting("listen", "address", validators.address(any_port=True),
        "Address to listen on; port 0 takes a free one"),
    Setting("name", "string", validators.name,
        "Name of this node within the cluster (default: the host name)"),
    _file_only("nodes", "addresses", validators.addresses,
        "Addresses of the cluster's agents, separated by commas"),
    Setting("join", "addresses", validators.addresses,
        "Agents of a cluster to join, separated by commas; one that is up is enough"),
    Setting("advertise", "address", validators.advertised,
        "Address at which others dial this agent (default: the listen address, or a guess)"),
    Setting("backplane", "URLs", validators.nats_servers,
        "NATS servers over which agents reach each other, as nats://host:port, commas between"),
    Setting("backplaneCluster", "string", validators.subject_token,
        "Name of this cluster on these servers, which others may have, too"),
    Setting("site", "string", validators.site,
        "Name of the site whose agents dial each other; one of them speaks for it over the backplane"),
    Setting("tags", "key=value", validators.tags,
        "A tag of this node, as role=db; may be repeated. NODNOD_TAGS has them separated by commas",
        item="tag"),
    Setting("mode", "string", validators.one_of("pull", "push"),
        "How agents exchange stats: pull or push"),
    # A quarter second is the shortest tick of a stream; stats older than a minute are not live.
    Setting("interval", "seconds", validators.seconds(0.25, 60),
        "Time between two samples of this machine"),
    Setting("debug", "", validators.switch,
        "Set logging level to DEBUG"),
    Setting("logFormat", "string", validators.one_of("text", "json"),
        "Format of the log lines: text or json"),
    _file_only("custom.directory", "path", validators.path,
        "Directory whose files *.prom and *.json are numbers of your own (default: none)"),
    _file_only("custom.maxAge", "seconds", validators.integer(1, 365 * 86400),
        "Age from which such a file is stale"),
    _file_only("state.directory", "path", validators.path,
        "Directory in which the history is kept over a restart (default: none)"),
    _file_only("alerts.rules", "rules", alert_rules.rules,
        "Rules of alerts, as a JSON array: changes of the built-in ones, and more"),
    *CHANNELS,
    *ACCESS,
    *NATS,
    *LIMITS,
)  # fmt: skip
