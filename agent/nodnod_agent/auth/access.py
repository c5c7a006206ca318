"""What the settings about access stand for: secrets, certificates and names, read from the world."""

import socket
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from nodnod_agent.auth.hosts import HostPolicy
from nodnod_agent.auth.tls import Contexts, read_contexts
from nodnod_agent.config.settings import Settings
from nodnod_client.address import Address

if TYPE_CHECKING:
    from nodnod_agent.auth.tokens import Tokens


class Access(Struct, frozen=True):
    """``tokens`` where there is a secret, ``tls`` where there is a certificate."""

    tokens: "Tokens | None"
    tls: Contexts | None


def read_access(
    settings: Settings, environment: Mapping[str, str], before: Access | None = None
) -> Access:
    """Read secrets and certificates, for the first time or again. Raises ConfigError."""
    tls = read_contexts(
        settings.tls_cert,
        settings.tls_key,
        settings.tls_ca,
        require_client_cert=settings.tls_require_client_cert,
    )
    if not settings.auth_secrets:
        return Access(None, tls)
    from nodnod_agent.auth.secrets import read_secrets
    from nodnod_agent.auth.tokens import Tokens

    spent = before.tokens.spent if before is not None and before.tokens is not None else None
    return Access(Tokens(read_secrets(settings.auth_secrets, environment), spent), tls)


def read_names(
    settings: Settings,
    addresses: Iterable[Address],
    member: Callable[[Address], bool],
    full_name: str = "",
) -> HostPolicy:
    """What an agent that is dialled at ``addresses``, on a machine of that name, is called.

    Names by which the cluster's configuration calls its nodes are ours too: it is one file for
    all of them.
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
        lambda address: address in own or member(address),
        hosts=settings.allowed_hosts,
        origins=settings.allowed_origins,
    )
