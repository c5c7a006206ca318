"""Secrets: read from where the configuration points, and never shown."""

import codecs
import os
import stat
from collections.abc import Mapping, Sequence

from nodnod_agent.config.validators import ConfigError, Faults
from nodnod_agent.log.format import printable

MIN_BYTES = 32
"""HS256 needs as many bytes as its hash has: a shorter secret is easier to guess."""

MAX_BYTES = 4096

FORBIDDEN_MODES = (
    (0o004, "others may read it"),
    (0o002, "others may write it"),
    (0o020, "its group may write it"),
    (0o001, "others may execute it"),
    (0o010, "its group may execute it"),
)
"""Mode bits that the file of a secret or key must not have. Errors name the first one that is set."""

_BYTE_ORDER_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_secrets(references: Sequence[str], environment: Mapping[str, str]) -> tuple[bytes, ...]:
    """Read all secrets, in order. Raises ConfigError, which says which ones are at fault."""
    faults = Faults()
    found: list[bytes] = []
    for index, reference in enumerate(references):
        with faults:
            found.append(read_secret(reference, f"auth.secrets[{index}]", environment))
    faults.check()
    return tuple(found)


def read_secret(reference: str, place: str, environment: Mapping[str, str]) -> bytes:
    """Read one secret of the cluster; errors begin with ``place``. Raises ConfigError."""
    secret = read_text(reference, place, environment)
    if not MIN_BYTES <= len(secret) <= MAX_BYTES:
        expected = f"expected {MIN_BYTES} to {MAX_BYTES} bytes, as `nodnod secret` makes them"
        raise ConfigError(f"{place}: {expected}, got {len(secret)}")
    if secret.startswith((b"-----BEGIN ", b"ssh-")):
        raise ConfigError(f"{place}: this is a key for something else; see `nodnod secret`")
    return secret


def read_text(reference: str, place: str, environment: Mapping[str, str]) -> bytes:
    """Read what ``env:NAME`` or ``file:PATH`` holds, without white space around it.

    Of a file no more than twice MAX_BYTES. Raises ConfigError, which begins with ``place``.
    """
    kind, _, where = reference.partition(":")
    if kind == "env":
        data = os.fsencode(environment.get(where, ""))
        if not data:
            raise ConfigError(f"{place}: the environment variable {where} is not set")
    else:
        data = _read_file(where, f"{place}: {printable(where)}")
    # Editors and `echo` end a file with a line break, which is not part of the secret.
    return data.strip()


def check_mode(status: int, place: str) -> None:
    """Refuse the file of a secret or key by its ``st_mode``. Raises ConfigError."""
    mode = stat.S_IMODE(status)
    for bits, problem in FORBIDDEN_MODES:
        if mode & bits:
            raise ConfigError(f"{place}: {problem}: mode {mode:04o}, chmod it to 0640")


def _read_file(path: str, place: str) -> bytes:
    try:
        # O_NONBLOCK: opening a named pipe would block.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise ConfigError(f"{place}: not a file")
            check_mode(status.st_mode, place)
            data = os.read(descriptor, 2 * MAX_BYTES)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise ConfigError(f"{place}: {(error.strerror or str(error)).lower()}") from None
    if data.startswith(_BYTE_ORDER_MARKS):
        what = "begins with a byte order mark, which would be part of the secret: save it without"
        raise ConfigError(f"{place}: {what}")
    return data
