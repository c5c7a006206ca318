"""Tokens: short JWTs that say who somebody is, signed with the cluster's secret.

Two roles. ``read`` is for people and programs: good for every agent of the cluster until it
expires. ``peer`` is what an agent mints for each dial: good once, for half a minute, and only at
the address that it dials. So an impostor who gets dialled holds a token that nobody else takes.

Nor does he pass for an agent: the one who is dialled proves that he knows the secret, by a code
over the whole token (its nonce and address among the rest) that only the secret can make.

Imported where there is a secret; the library takes memory that others need not pay.
"""

import hmac
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from secrets import token_urlsafe
from time import time
from typing import Any

import jwt

from nodnod_agent.auth.authorization import Verified, WrongToken

ALGORITHM = "HS256"
PEER_TTL = 30
"""Seconds from minting to the end of the handshake that a dial has, and a bit."""

SKEW = 30
"""Seconds that the clocks of two agents may differ."""

MAX_TOKEN = 4096
MAX_SPENT = 65_536
"""Used tokens that are remembered for their minute; only who knows the secret can use any."""

# The header of a token comes from anybody. What PyJWT does not foresee in it is no crash of ours:
# json gives up on deep nesting with RecursionError, and on long numbers with ValueError.
_FAULTS = (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError)


class Tokens:
    """Mints and verifies; the first secret signs, all verify.

    ``spent`` holds what has been used: hand it on to those that come after these tokens.
    """

    def __init__(self, secrets: Sequence[bytes], spent: dict[str, float] | None = None) -> None:
        self._secrets = tuple(secrets)
        self.spent = {} if spent is None else spent

    def mint(self, role: str, seconds: float, subject: str, **claims: Any) -> str:
        """A token that is good for so many seconds from now."""
        now = int(time())
        content = {"role": role, "sub": subject, "iat": now, "exp": now + int(seconds), **claims}
        return jwt.encode(content, self._secrets[0], ALGORITHM)

    def for_dial(self, subject: str, addresses: Sequence[str]) -> tuple[str, str]:
        """A peer's token for the agent at ``addresses``, and the proof that it must give back."""
        claims = {"aud": list(addresses), "nonce": token_urlsafe(16)}
        token = self.mint("peer", PEER_TTL, subject, **claims)
        return token, _proof(self._secrets[0], token)

    def verify(self, token: str, own: AbstractSet[str]) -> Verified:
        """Whose token this is, for the agent with these addresses. Raises WrongToken."""
        claims, secret = self._open(token)
        role, audience = claims.get("role"), claims.get("aud")
        if audience is not None or role == "peer":
            named = [audience] if isinstance(audience, str) else audience
            if not isinstance(named, list) or own.isdisjoint(map(str, named)):
                detail = f"for {named}, which is none of {sorted(own)}: see advertise"
                raise WrongToken("the token is for another agent", detail)
        if role == "peer":
            if int(claims["exp"]) > time() + PEER_TTL + SKEW:  # it would have to be remembered
                raise WrongToken("the token is good for longer than a dial takes")
            self._spend(claims)
            return Verified("peer", _proof(secret, token))
        if role != "read":
            raise WrongToken("the token has no role that this agent knows")
        if int(claims["exp"]) <= time():  # the leeway for clocks is between agents
            raise WrongToken("the token has expired")
        return Verified("read")

    def _open(self, token: str) -> tuple[dict[str, Any], bytes]:
        """What a token says, and the secret that it is signed with."""
        fault = "not a token of this cluster"
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
            except _FAULTS:
                break
            return claims, secret
        raise WrongToken(fault)

    def _spend(self, claims: dict[str, Any]) -> None:
        """Note that a token has been used; it is so once."""
        nonce, now = claims.get("nonce"), time()
        if not isinstance(nonce, str) or nonce in self.spent:
            raise WrongToken("the token has been used before")
        while self.spent and self.spent[oldest := next(iter(self.spent))] <= now:
            del self.spent[oldest]
        if len(self.spent) >= MAX_SPENT:
            raise WrongToken("too many agents have dialled this one within a minute")
        self.spent[nonce] = int(claims["exp"]) + SKEW


def _proof(secret: bytes, token: str) -> str:
    # No token begins so: the code can not be taken for the signature of one, nor that for it.
    return hmac.digest(secret, b"nodnod proof\n" + token.encode(), "sha256").hex()
