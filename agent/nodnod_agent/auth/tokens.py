"""Tokens: short-lived JWTs that are signed with the cluster's secret.

``read`` and ``operate`` are for people and programs: every agent of the cluster accepts them until they
expire. ``operate`` includes ``read``. An agent
mints ``peer`` for each dial: it is valid once, for half a minute, and only at the dialed address. So
no other agent accepts what an impostor gets there. The dialed agent must prove in turn that it knows
the secret: by a MAC over the whole token, which includes the token's nonce and address.
"""

import hmac
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from secrets import token_urlsafe
from time import time
from typing import Any

from nodnod_agent.auth.authorization import Verified, WrongToken
from nodnod_client.messages import MAX_NAME_LENGTH

ALGORITHM = "HS256"
ROLES = ("read", "operate")
"""The roles of people and programs."""

PEER_TTL = 30
"""Seconds for which a peer's token is valid: the time limit of a handshake, and some more."""

SKEW = 30
"""Seconds by which the clocks of two agents may differ."""

MAX_TOKEN = 4096
MAX_USED = 65_536
"""Used tokens that are remembered until they expire; only holders of the secret can use any."""


class Tokens:
    """Mints and verifies tokens. The first secret signs; all secrets verify.

    ``used`` maps the nonces of used tokens to when they expire; hand it on to the next instance.
    """

    def __init__(self, secrets: Sequence[bytes], used: dict[str, float] | None = None) -> None:
        # The library takes memory that an agent without a secret need not pay.
        import jwt

        self._jwt = jwt
        self._secrets = tuple(secrets)
        self.used = {} if used is None else used

    def mint(self, role: str, seconds: float, subject: str, **claims: Any) -> str:
        """Return a token that is valid for so many seconds from now."""
        now = int(time())
        content = {"role": role, "sub": subject, "iat": now, "exp": now + int(seconds), **claims}
        token: str = self._jwt.encode(content, self._secrets[0], ALGORITHM)
        return token

    def for_dial(self, subject: str, addresses: Sequence[str]) -> tuple[str, str]:
        """Return a peer's token for the agent at ``addresses``, and the proof it must give back."""
        claims = {"aud": list(addresses), "nonce": token_urlsafe(16)}
        token = self.mint("peer", PEER_TTL, subject, **claims)
        return token, _proof(self._secrets[0], token)

    def verify(self, token: str, audiences: AbstractSet[str]) -> Verified:
        """Return what a token grants at the agent with these addresses. Raises WrongToken."""
        claims, secret = self._decode(token)
        role, audience = claims.get("role"), claims.get("aud")
        holder = str(claims.get("sub", ""))[:MAX_NAME_LENGTH]
        if audience is not None or role == "peer":
            named = [audience] if isinstance(audience, str) else audience
            if not isinstance(named, list) or audiences.isdisjoint(map(str, named)):
                detail = f"for {named}, which is none of {sorted(audiences)}: see advertise"
                raise WrongToken("the token is for another agent", detail)
        if role == "peer":
            if int(claims["exp"]) > time() + PEER_TTL + SKEW:  # bounds how long it is remembered
                raise WrongToken("the token is valid for longer than a dial takes")
            self._use(claims)
            return Verified("peer", _proof(secret, token), holder)
        if role not in ROLES:
            raise WrongToken("the token has no role that this agent knows")
        if int(claims["exp"]) <= time():  # the leeway for clocks is between agents
            raise WrongToken("the token has expired")
        return Verified(role, holder=holder)

    def _decode(self, token: str) -> tuple[dict[str, Any], bytes]:
        """Return the claims of a token, and the secret that it is signed with."""
        jwt = self._jwt
        for secret in self._secrets if len(token) <= MAX_TOKEN else ():
            try:
                claims = jwt.decode(
                    token,
                    secret,
                    [ALGORITHM],
                    {"require": ["exp"], "verify_aud": False},
                    leeway=SKEW,
                )
            except jwt.InvalidSignatureError:
                continue  # one of the other secrets may have signed it
            except jwt.ExpiredSignatureError:
                raise WrongToken("the token has expired") from None
            except jwt.ImmatureSignatureError:
                raise WrongToken("the token is not valid yet: is a clock wrong?") from None
            # A token's header comes from any client. PyJWT does not catch what json raises there: for
            # deep nesting RecursionError, for long numbers ValueError.
            except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
                break
            return claims, secret
        raise WrongToken("not a token of this cluster")

    def _use(self, claims: dict[str, Any]) -> None:
        """Record that a peer's token has been used: it is valid once."""
        nonce, now = claims.get("nonce"), time()
        if not isinstance(nonce, str) or nonce in self.used:
            raise WrongToken("the token has been used before")
        while self.used and self.used[oldest := next(iter(self.used))] <= now:
            del self.used[oldest]
        if len(self.used) >= MAX_USED:
            raise WrongToken("too many agents have dialed this one within a minute")
        self.used[nonce] = int(claims["exp"]) + SKEW


def _proof(secret: bytes, token: str) -> str:
    # No token begins with this prefix, so a proof is never a signature, nor the reverse.
    return hmac.digest(secret, b"nodnod proof\n" + token.encode(), "sha256").hex()
