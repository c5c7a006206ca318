"""The NATS servers of an agent, and how it proves to them who it is: read from the settings."""

import ssl
from base64 import b32decode
from binascii import crc_hqx
from collections.abc import Mapping
from importlib.util import find_spec
from itertools import pairwise
from typing import Any, NamedTuple

from msgspec import Struct

from nodnod_agent.auth.secrets import read_text
from nodnod_agent.auth.tls import read_client_context
from nodnod_agent.config.settings import NATS, Settings
from nodnod_agent.config.validators import ConfigError, nats_address
from nodnod_client.address import Address
from nodnod_client.tags import tags_fault

INSTALL = "pip install 'nodnod-agent[nats]'"

PROOFS = ("nats.user", "nats.token", "nats.nkey", "nats.creds")
"""The ways to prove who one is. An agent has one of them, or none."""

SEED_BYTES = 36
"""The kind of the key, its 32 bytes, and a checksum."""


class NatsServer(NamedTuple):
    """One server; ``must_be_tls`` if nothing may be sent to it but over TLS."""

    address: Address
    must_be_tls: bool

    def __str__(self) -> str:
        return f"{'tls' if self.must_be_tls else 'nats'}://{self.address}"


class NatsAccess(Struct, frozen=True):
    """What a connection needs. ``proof`` has keyword arguments of nats-py's ``connect``: secrets.

    ``tls`` is the context for servers that must be TLS; any other that wants it must have a
    certificate of one of the system's authorities. ``name`` is how NATS lists the connection.
    """

    servers: tuple[NatsServer, ...]
    proof: dict[str, Any] = {}
    tls: ssl.SSLContext | None = None
    name: str = "nodnod-agent"

    def __repr__(self) -> str:
        return f"<NatsAccess {', '.join(map(str, self.servers))}>"

    __str__ = __repr__


def read_access(settings: Settings, environment: Mapping[str, str]) -> NatsAccess | None:
    """Read the servers, secrets and certificates; None without ``backplane``.

    Raises ConfigError, which names the setting and shows no secret.
    """
    _check_site(settings)
    given = {row.key: value for row in NATS if (value := getattr(settings, row.field)) is not None}
    if not settings.backplane:
        for key in given:
            raise ConfigError(f"{key}: does nothing without backplane")
        return None
    if (settings.nodes or settings.join) and settings.site is None:
        raise ConfigError(
            "backplane: an agent has a backplane or first addresses (nodes, join), or a site, which has both"
        )
    if settings.mode == "push":
        raise ConfigError("mode: push is for agents that dial each other, not for a backplane")
    if not is_installed():
        raise ConfigError(f"backplane: needs nats-py: {INSTALL}")
    _check(given)
    all_tls = settings.nats_ca is not None or settings.nats_cert is not None
    servers = tuple(_server(url, must_be_tls=all_tls) for url in settings.backplane)
    tls = None
    if any(server.must_be_tls for server in servers):
        tls = read_client_context(
            settings.nats_cert, settings.nats_key, settings.nats_ca, settings="nats"
        )
    proof = _read_proof(settings, environment)
    return NatsAccess(servers, proof, tls, f"nodnod-agent {settings.name}")


def is_installed() -> bool:
    """Whether nats-py is there, without loading it."""
    return find_spec("nats") is not None


def _check_site(settings: Settings) -> None:
    other = settings.tags.get("site", settings.site)
    if settings.site is not None and other != settings.site:
        raise ConfigError(f"tags: the site is {settings.site}, got {other!r} as the tag")
    if fault := tags_fault(settings.all_tags):
        raise ConfigError(f"tags: with the site, expected {fault}")


def _check(given: Mapping[str, Any]) -> None:
    first, *others = [key for key in PROOFS if key in given] or ("",)
    for key in others:
        raise ConfigError(f"{key}: {first} is set, too; one of them is enough")
    for key, needed in (
        ("nats.user", "nats.password"),
        ("nats.password", "nats.user"),
        ("nats.key", "nats.cert"),
    ):
        if key in given and needed not in given:
            raise ConfigError(f"{key}: needs {needed}")


def _server(url: str, *, must_be_tls: bool) -> NatsServer:
    return NatsServer(nats_address(url), must_be_tls or url.startswith("tls:"))


def _read_proof(settings: Settings, environment: Mapping[str, str]) -> dict[str, Any]:
    if settings.nats_password is not None:
        password = _read(settings.nats_password, "nats.password", environment)
        return {"user": settings.nats_user, "password": password}
    if settings.nats_token is not None:
        return {"token": _read(settings.nats_token, "nats.token", environment)}
    if settings.nats_nkey is not None:
        seed = _read(settings.nats_nkey, "nats.nkey", environment)
        _check_seed(seed, "nats.nkey")
        return {"nkeys_seed_str": seed}
    if settings.nats_creds is not None:
        return _read_creds(_read(settings.nats_creds, "nats.creds", environment))
    return {}


def _read_creds(text: str) -> dict[str, Any]:
    from nats.aio.client import RawCredentials

    lines = [line.strip() for line in text.splitlines()]
    parts: dict[str, str] = {}
    for line, following in pairwise(lines):
        for part in ("NATS USER JWT", "USER NKEY SEED"):
            if line == f"-----BEGIN {part}-----":
                parts[part] = following
    if len(parts) < 2:
        what = "expected what a .creds file holds, a JWT and the seed of an nkey"
        raise ConfigError(f"nats.creds: {what}")
    _check_seed(parts["USER NKEY SEED"], "nats.creds")
    # nats-py takes a line of its own as it stands, with a carriage return or blanks at its end.
    tidy = "".join(
        f"-----BEGIN {part}-----\n{text}\n------END {part}------\n" for part, text in parts.items()
    )
    return {"user_credentials": RawCredentials(tidy)}


def _check_seed(seed: str, place: str) -> None:
    if find_spec("nkeys") is None:
        raise ConfigError(f"{place}: needs nkeys: {INSTALL}")
    if not seed.startswith("SU"):
        raise ConfigError(f"{place}: expected the seed of a user's nkey, which begins with SU")
    try:
        raw = b32decode(seed + "=" * (-len(seed) % 8))
    except ValueError:
        raw = b""
    # The package nkeys takes no notice of the checksum: another key would come of a slip.
    if len(raw) != SEED_BYTES or crc_hqx(raw[:-2], 0) != int.from_bytes(raw[-2:], "little"):
        raise ConfigError(f"{place}: the seed of the nkey is damaged")


def _read(reference: str, place: str, environment: Mapping[str, str]) -> str:
    try:
        text = read_text(reference, place, environment).decode()
    except UnicodeDecodeError:
        raise ConfigError(f"{place}: expected UTF-8 text") from None
    if not text:
        raise ConfigError(f"{place}: it is empty")
    return text
