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
    is_member: Callable[[Address], bool],
    full_name: str = "",
) -> HostPolicy:
    """Return the policy of an agent that is dialed at ``addresses``.

    ``full_name`` is the machine's name with its domain, if known. Host names in ``nodes`` and
    ``join`` count as this agent's too: all nodes may share one configuration file.
    """
    own = set(addresses)
    host = socket.gethostname()
    return HostPolicy(
        (
            settings.name,
            host,
            host.partition(".")[0],
            full_name or host,
            *(address.host for address in (*own, *settings.nodes, *settings.join)),
        ),
        lambda address: address in own or is_member(address),
        hosts=settings.allowed_hosts,
        origins=settings.allowed_origins,
    )
