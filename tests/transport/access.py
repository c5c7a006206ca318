"""A secret, policies and TLS contexts for servers and dialers."""

from doubles.certificates import Authority
from nodnod_agent.auth.hosts import HostPolicy
from nodnod_agent.auth.policy import AuthPolicy
from nodnod_agent.auth.tls import TlsContexts, read_contexts
from nodnod_agent.auth.tokens import Tokens
from nodnod_client.address import Address

SECRET = b"a secret of this cluster, and no other"


def token_policy(tokens: Tokens, advertised: Address) -> AuthPolicy:
    """Any host name, a token for all pages but ``/healthz``."""
    policy = AuthPolicy(advertised=advertised, is_public={"/healthz"}.__contains__)
    policy.hosts = HostPolicy()
    policy.tokens = tokens
    return policy


def contexts(authority: Authority, *hosts: str, ca: str = "", client: bool = False) -> TlsContexts:
    """Contexts with a certificate for ``hosts``; ``client``: the client needs one too."""
    cert, key = authority.issue("agent", *hosts)
    found = read_contexts(cert, key, ca or authority.ca, require_client_cert=client)
    assert found is not None
    return found
