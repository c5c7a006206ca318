"""The settings of an agent: what there is to set, its default, and where a value is taken from.

``SETTINGS`` is the one table. A new setting is a field of ``Settings`` (its type and default) and
a row here or in safety.py (what it is called and must be); flag, variable, file key and help follow
from the row.

A value comes from a flag, else the environment, else the file, else the default. What is given is
checked wherever it stands, also where something before it wins. Every fault is a ``ConfigError``
of one line that begins with the place: ``conf.json: nodes[2]: port must be …``.
"""

import json
from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct

from nodnod.address import Address
from nodnod_agent import checks
from nodnod_agent.checks import ConfigError, did_you_mean, shown
from nodnod_agent.core.limits import Limits
from nodnod_agent.safety import ACCESS, LIMITS
from nodnod_agent.setting import Setting

__all__ = ["SETTINGS", "Given", "Setting", "Settings", "gather"]


DEFAULTS = Limits()


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
    limits_connections: int | None = DEFAULTS.connections
    limits_handshake: float = DEFAULTS.handshake
    limits_unauthenticated: int = DEFAULTS.unauthenticated
    limits_client_message: int = DEFAULTS.client_message
    limits_peer_message: int = DEFAULTS.peer_message
    limits_in_flight: int = DEFAULTS.in_flight
    limits_control_frames: int = DEFAULTS.control_frames
    limits_streams: int = DEFAULTS.streams
    limits_unread: int = DEFAULTS.unread
    limits_unread_for: float = DEFAULTS.unread_for

    @property
    def limits(self) -> Limits:
        """All of the ``limits.*``, as those take them who keep them."""
        return Limits(
            **{name: getattr(self, f"limits_{name}") for name in DEFAULTS.__struct_fields__}
        )


SETTINGS = (
    Setting(
        field="listen",
        key="listen",
        kind="address",
        help="Address to listen on; port 0 takes a free one",
        check=checks.address(any_port=True),
    ),
    Setting(
        field="name",
        key="name",
        kind="string",
        help="Name of this node within the cluster (default: the host name)",
        check=checks.name,
    ),
    Setting(
        field="nodes",
        key="nodes",
        kind="addresses",
        help="Where the agents of the cluster listen, separated by commas",
        check=checks.addresses,
        read=checks.read_list,
        is_flag=False,
    ),
    Setting(
        field="join",
        key="join",
        kind="addresses",
        help="Agents of a cluster to join, separated by commas; one that is alive is enough",
        check=checks.addresses,
        read=checks.read_list,
    ),
    Setting(
        field="advertise",
        key="advertise",
        kind="address",
        help="Where others can dial this agent (default: the listen address, or a guess)",
        check=checks.advertised,
    ),
    Setting(
        field="mode",
        key="mode",
        kind="string",
        help="How agents learn each other's stats: pull or push",
        check=checks.one_of("pull", "push"),
    ),
    Setting(
        field="interval",
        key="interval",
        kind="seconds",
        help="Time from one sample of this machine to the next",
        # A quarter second is the fastest stream there is; within a minute, stats are still live.
        check=checks.seconds(0.25, 60),
        read=checks.read_number,
    ),
    Setting(
        field="debug",
        key="debug",
        kind="",
        help="Set logging level to DEBUG",
        check=checks.switch,
        read=checks.read_switch,
    ),
    Setting(
        field="log_format",
        key="logFormat",
        kind="string",
        help="Form of the log lines: text or json",
        check=checks.one_of("text", "json"),
    ),
    *ACCESS,
    *LIMITS,
)


class Given(Struct, frozen=True):
    """What the sources say: values by field, and the place that each was taken from."""

    values: dict[str, Any]
    places: dict[str, str]


def gather(
    flags: Mapping[str, str],
    environment: Mapping[str, str],
    file: bytes | None,
    path: str,
    table: tuple[Setting, ...] = SETTINGS,
) -> Given:
    """Read every setting that is given: flags by field, variables by name, the file's bytes.

    ``path`` is what the file is called in errors. Raises ConfigError at the first fault.
    """
    in_file = {} if file is None else _read_file(file, path, [row.key for row in table])
    given = Given({}, {})
    for row in table:
        # From the weakest to the strongest: the last one stands.
        found: list[tuple[str, Any]] = []
        if row.key in in_file:
            found.append((f"{path}: {row.key}", in_file[row.key]))
        if text := environment.get(row.variable):
            found.append((row.variable, row.read(text)))
        if row.field in flags:
            found.append((f"--{row.flag}", row.read(flags[row.field])))
        for place, value in found:
            given.values[row.field] = row.check(value, place)
            given.places[row.field] = place
    return given


def _read_file(data: bytes, path: str, keys: list[str]) -> dict[str, Any]:
    """Values by dotted key, not yet checked."""
    try:
        # utf-8-sig: some editors begin a file with a byte order mark.
        document = json.loads(data.decode("utf-8-sig"), object_pairs_hook=_object)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}: not UTF-8 text at line {line}") from None
    except json.JSONDecodeError as error:
        what = (error.msg[:1].lower() + error.msg[1:]).removesuffix(" at")
        where = f"line {error.lineno}, column {error.colno}"
        raise ConfigError(f"{path}: not JSON: {what} at {where}") from None
    except RecursionError:
        raise ConfigError(f"{path}: nested too deeply") from None
    except ValueError:  # what Python says of an integer of more than 4,300 digits
        raise ConfigError(f"{path}: a number in it is too long") from None
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: expected an object of settings, got {shown(document)}")
    return dict(_flat(document, "", path, keys))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ConfigError(f"key {shown(key)} stands there twice")
        found[key] = value
    return found


def _flat(
    document: dict[str, Any], prefix: str, path: str, keys: list[str]
) -> list[tuple[str, Any]]:
    values: list[tuple[str, Any]] = []
    for name, value in document.items():
        key = prefix + name
        # Dots are how we write nesting, not how a file does.
        if "." not in name and key in keys:
            values.append((key, value))
        elif "." not in name and any(other.startswith(f"{key}.") for other in keys):
            if not isinstance(value, dict):
                # A text in the place of ``auth`` may be a secret.
                got = "text" if isinstance(value, str) else shown(value)
                raise ConfigError(f"{path}: {key}: expected an object, got {got}")
            values += _flat(value, f"{key}.", path, keys)
        else:
            here = {k.removeprefix(prefix).split(".")[0] for k in keys if k.startswith(prefix)}
            hint = did_you_mean(name, here, prefix)
            raise ConfigError(f"{path}: unknown key {shown(key)}{hint}")
    return values
