"""The cluster's secrets: read from where the configuration says that they are, never shown."""

import os
import stat
from collections.abc import Mapping, Sequence

from nodnod_agent.checks import ConfigError
from nodnod_agent.loglines import printable

__all__ = ["MIN_BYTES", "read_secret", "read_secrets"]

MIN_BYTES = 32
"""What HS256 needs: a secret that is shorter than the hash can be guessed with less work."""

MAX_BYTES = 4096

_LOOSE = 0o037
"""What no file of a secret may allow: writing to its group, anything to the rest."""


def read_secrets(references: Sequence[str], environment: Mapping[str, str]) -> tuple[bytes, ...]:
    """The secrets, in the order in which they are named. Raises ConfigError, which names which."""
    return tuple(
        read_secret(reference, f"auth.secrets[{index}]", environment)
        for index, reference in enumerate(references)
    )


def read_secret(reference: str, place: str, environment: Mapping[str, str]) -> bytes:
    """One of them; ``place`` is what errors begin with."""
    kind, _, where = reference.partition(":")
    if kind == "env":
        data = os.fsencode(environment.get(where, ""))
        if not data:
            raise ConfigError(f"{place}: the environment variable {where} is not set")
    else:
        data = _file(where, f"{place}: {printable(where)}")
    secret = data.strip()
    # An editor or `echo` ends a file with a line break, which is no part of the secret.
    if not MIN_BYTES <= len(secret) <= MAX_BYTES:
        expected = f"expected {MIN_BYTES} to {MAX_BYTES} bytes, as `nodnod secret` makes them"
        raise ConfigError(f"{place}: {expected}, got {len(secret)}")
    if secret.startswith((b"-----BEGIN ", b"ssh-")):
        raise ConfigError(f"{place}: this is a key for something else; see `nodnod secret`")
    return secret


def _file(path: str, place: str) -> bytes:
    try:
        # A pipe in its place would keep us waiting.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise ConfigError(f"{place}: not a file")
            mode = stat.S_IMODE(status.st_mode)
            if mode & _LOOSE:
                raise ConfigError(f"{place}: others may read it: mode {mode:04o}, chmod it to 0640")
            return os.read(descriptor, 2 * MAX_BYTES)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise ConfigError(f"{place}: {(error.strerror or str(error)).lower()}") from None
