"""The settings that make an agent safe to open: who may in, and how much of each is borne."""

from typing import Any

from nodnod_agent import checks
from nodnod_agent.setting import Setting

__all__ = ["ACCESS", "LIMITS"]

KIB = 1024
MIB = 1024 * KIB


def _row(key: str, kind: str, help: str, check: Any, read: Any = str) -> Setting:  # noqa: A002
    """One that is no flag: these belong into a file, and their field follows from their key."""
    words = "".join(f"_{char.lower()}" if char.isupper() else char for char in key)
    field = words.replace(".", "_")
    return Setting(
        field=field, key=key, kind=kind, help=help, check=check, read=read, is_flag=False
    )


ACCESS = (
    _row(
        "auth.secrets",
        "references",
        "The cluster's secret and those it replaces, each env:NAME or file:PATH; the first signs",
        checks.references,
        checks.read_list,
    ),
    _row(
        "allowedOrigins",
        "origins",
        "Web sites whose pages may ask this agent, each as https://host",
        checks.origins,
        checks.read_list,
    ),
    _row(
        "allowedHosts",
        "names",
        "Other names under which this agent is asked, as a Host header has them",
        checks.hosts,
        checks.read_list,
    ),
    _row(
        "tls.cert",
        "path",
        "This agent's certificate and those that lead to its authority; turns TLS on",
        checks.path,
    ),
    _row("tls.key", "path", "The key of tls.cert, if that file does not hold it", checks.path),
    _row(
        "tls.ca",
        "path",
        "Certificates of the authorities that vouch for the other agents (default: the system's)",
        checks.path,
    ),
    _row(
        "tls.requireClientCert",
        "true|false",
        "Admit only who has a certificate of tls.ca",
        checks.switch,
        checks.read_switch,
    ),
)
"""All of them are read again on SIGHUP, and the files that they name."""

LIMITS = (
    _row(
        "limits.connections",
        "count",
        "Connections at once (default: 128 fewer than the open files, at most 10000)",
        checks.integer(1, 1_000_000),
        checks.read_number,
    ),
    _row(
        "limits.handshake",
        "seconds",
        "Time from connecting to the end of the handshake",
        checks.seconds(0.1, 60),
        checks.read_number,
    ),
    _row(
        "limits.unauthenticated",
        "count",
        "Connections before the end of their handshake; one more ends the oldest",
        checks.integer(1, 100_000),
        checks.read_number,
    ),
    _row(
        "limits.clientMessage",
        "bytes",
        "One message from a client",
        checks.integer(KIB, 64 * MIB),
        checks.read_number,
    ),
    _row(
        "limits.peerMessage",
        "bytes",
        "One message from an agent",
        checks.integer(64 * KIB, 256 * MIB),
        checks.read_number,
    ),
    _row(
        "limits.inFlight",
        "count",
        "Unanswered requests per connection; more wait unread",
        checks.integer(1, 100_000),
        checks.read_number,
    ),
    _row(
        "limits.controlFrames",
        "count",
        "Pings, pongs and tiny pieces of messages per connection and second",
        checks.integer(10, 1_000_000),
        checks.read_number,
    ),
    _row(
        "limits.streams",
        "count",
        "Streams per connection",
        checks.integer(0, 10_000),
        checks.read_number,
    ),
    _row(
        "limits.unread",
        "bytes",
        "Output that waits for one connection; who needs more is cut",
        checks.integer(128 * KIB, 1024 * MIB),
        checks.read_number,
    ),
    _row(
        "limits.unreadFor",
        "seconds",
        "Time in which the other side must take some of its output, or is cut",
        checks.seconds(0.1, 3600),
        checks.read_number,
    ),
)
