"""The parts of access control that are read from the settings, the files they name and the host."""

import socket
from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct

from nodnod_agent.auth.hosts import HostPolicy
from nodnod_agent.auth.secrets import read_secrets
from nodnod_agent.auth.tls import TlsContexts, read_contexts
from nodnod_agent.auth.tokens import Tokens
from nodnod_agent.config.settings import Settings
from nodnod_client.address import Address
from nodnod_client.origins import MAX_ORIGINS, parse_origin


class Credentials(Struct, frozen=True):
    """``tokens`` if a secret is set, ``tls`` if a certificate is set."""

    tokens: Tokens | None
    tls: TlsContexts | None


def read_credentials(
    settings: Settings, environment: Mapping[str, str], previous: Credentials | None = None
) -> Credentials:
    """Read secrets and certificates; ``previous`` are those in use. Raises ConfigError."""
    tls = read_contexts(
        settings.tls_cert,
        settings.tls_key,
        settings.tls_ca,
        require_client_cert=settings.tls_require_client_cert,
    )
    if not settings.auth_secrets:
        return Credentials(None, tls)
    used = previous.tokens.used if previous is not None and previous.tokens is not None else None
    return Credentials(Tokens(read_secrets(settings.auth_secrets, environment), used), tls)


def host_policy(
    settings: Settings,
    addresses: Iterable[Address],
    is_member: Callable[[str, str, int], bool],
    full_name: str = "",
) -> HostPolicy:
    """Return the policy of an agent that is dialed at ``addresses``.

    ``full_name`` is the machine's name with its domain, if known.
    """
    own = set(addresses)
    return HostPolicy(
        own_hosts(settings, own, full_name),
        lambda scheme, host, port: Address(host, port) in own or is_member(scheme, host, port),
        hosts=settings.allowed_hosts,
        origins=settings.allowed_origins,
    )


def own_hosts(settings: Settings, addresses: Iterable[Address], full_name: str = "") -> set[str]:
    """The names of this agent, in lower case.

    Host names in ``nodes`` and ``join`` count as this agent's too: all nodes may share one
    configuration file.
    """
    seeds = (address.host for address in (*addresses, *settings.nodes, *settings.join))
    return {name.lower() for name in (*_machine_names(settings, full_name), *seeds)}


def own_origins(
    settings: Settings, listen: Address, advertised: Address, full_name: str = ""
) -> list[str]:
    """The names under which pages of this agent may be opened, as other agents are told them.

    Not those that they know anyway: the name of the node, its address, and ``localhost``.
    """
    hosts = [*_machine_names(settings, full_name)[1:], *settings.allowed_hosts]
    if listen.dialable:
        hosts.append(_written(listen.host))
    known = {settings.name.lower(), _written(advertised.host), "localhost"}
    told = dict.fromkeys(host.lower() for host in hosts if host.lower() not in known)
    if listen.port != advertised.port:  # a forwarded port: names lead to the other one, too
        told |= dict.fromkeys(f"{host}:{listen.port}" for host in (*known, *told))
    told |= dict.fromkeys(settings.allowed_origins)
    return [one for one in told if parse_origin(one) is not None][:MAX_ORIGINS]


def _machine_names(settings: Settings, full_name: str) -> tuple[str, ...]:
    host = socket.gethostname()
    return settings.name, host, host.partition(".")[0], full_name or host


def _written(host: str) -> str:
    """A host as it stands before a port."""
    return f"[{host}]" if ":" in host else host
