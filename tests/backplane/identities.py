"""Keys of NATS, and what an operator signs with them: nkeys, JWTs and .creds files."""

import hashlib
import json
import os
from base64 import b32encode, urlsafe_b64encode
from typing import Any

import nkeys


class Identity:
    """A new key of an operator (O), an account (A) or a user (U)."""

    def __init__(self, kind: str) -> None:
        self.seed: str = nkeys.encode_seed(os.urandom(32), _PREFIXES[kind]).decode()
        self._pair = nkeys.from_seed(bytearray(self.seed.encode()))
        self.public: str = self._pair.public_key.decode()

    def sign(self, subject: "Identity", kind: str, **terms: Any) -> str:
        """A JWT about a key, in the form of version 2."""
        claims = {
            "iss": self.public,
            "sub": subject.public,
            "name": kind,
            "iat": 1_700_000_000,
            "nats": {"type": kind, "version": 2, **terms},
        }
        digest = hashlib.sha256(json.dumps(claims).encode()).digest()
        claims["jti"] = b32encode(digest).decode().rstrip("=")
        parts = [{"typ": "JWT", "alg": "ed25519-nkey"}, claims]
        text = ".".join(_encoded(json.dumps(part).encode()) for part in parts)
        return f"{text}.{_encoded(self._pair.sign(text.encode()))}"


def operated() -> tuple[str, str]:
    """The configuration of a server under an operator, and the .creds file of a user."""
    operator, account, user = (Identity(kind) for kind in "OAU")
    accounts = f"{{{account.public}: {operator.sign(account, 'account', limits=_UNLIMITED)}}}"
    config = (
        f"operator: {operator.sign(operator, 'operator')}\n"
        f"resolver: MEMORY\nresolver_preload: {accounts}\n"
    )
    jwt = account.sign(user, "user", subs=-1, data=-1, payload=-1)
    creds = (
        f"-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n"
        "************************* IMPORTANT *************************\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{user.seed}\n------END USER NKEY SEED------\n"
    )
    return config, creds


_PREFIXES = {
    "O": nkeys.PREFIX_BYTE_OPERATOR,
    "A": nkeys.PREFIX_BYTE_ACCOUNT,
    "U": nkeys.PREFIX_BYTE_USER,
}

_UNLIMITED = {"subs": -1, "data": -1, "payload": -1, "conn": -1, "leaf": -1}


def _encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")
