"""``nodnod token``: lets somebody into a cluster that has a secret, for a while."""

import os
import re
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from nodnod_agent.auth.secrets import read_secret
from nodnod_agent.config import validators
from nodnod_agent.config.sources import gather
from nodnod_agent.config.validators import ConfigError
from nodnod_agent.console.command import Command, Status
from nodnod_agent.console.output import complain

ROLES = ("read",)
DEFAULT_TTL = "12h"
MOST = timedelta(days=3660)

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DEFAULT_CONFIG = "./conf/conf.json"


def add_flags(parser: ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument(
        "--role",
        choices=ROLES,
        default=ROLES[0],
        help="what it is good for: to read what agents tell (default: read)",
    )
    parser.add_argument(
        "--ttl",
        metavar="TIME",
        type=_duration,
        default=DEFAULT_TTL,
        help=f"how long it is good for, as 90m, 12h, 30d (default: {DEFAULT_TTL})",
    )
    parser.add_argument(
        "--for",
        dest="subject",
        metavar="WHOM",
        type=_subject,
        required=True,
        help="who gets it; it is written in the token, and nothing else is made of it",
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--secret",
        metavar="WHERE",
        help="where the cluster's secret is: env:NAME or file:PATH",
    )
    source.add_argument(
        "--config",
        metavar="PATH",
        help="an agent's configuration, whose first of auth.secrets is taken "
        f"(default: NODNOD_AUTH_SECRETS, NODNOD_CONFIG, {_DEFAULT_CONFIG})",
    )


def run(args: Namespace) -> int:
    """Run the command."""
    try:
        secret = read_secret(*_reference(args), os.environ)
    except ConfigError as error:
        complain(str(error))
        return Status.USAGE
    from nodnod_agent.auth.tokens import Tokens  # its library is not needed for the other commands

    seconds = args.ttl.total_seconds()
    token = Tokens([secret]).mint(args.role, seconds, args.subject)
    sys.stdout.write(f"{token}\n")
    end = datetime.now(UTC) + args.ttl
    complain(f"good until {end:%Y-%m-%d %H:%M} UTC, to {args.role} only")
    return Status.FINE


def _reference(args: Namespace) -> tuple[str, str]:
    """Where the secret is that signs, and where that is said. Raises ConfigError."""
    if args.secret is not None:
        return validators.reference(args.secret, "--secret"), "--secret"
    path = args.config or os.environ.get("NODNOD_CONFIG") or _DEFAULT_CONFIG
    try:
        data: bytes | None = Path(path).read_bytes()
    except FileNotFoundError:
        if path != _DEFAULT_CONFIG:
            raise ConfigError(f"{path}: no such file") from None
        data = None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"{path}: {reason.lower()}") from None
    # The environment goes before the file; but a file that is named here before the environment.
    environment = {} if args.config else os.environ
    given = gather({}, environment, data, path)
    references = given.values.get("auth_secrets", ())
    if not references:
        raise ConfigError(
            "no secret: say where it is with --secret env:NAME or file:PATH, "
            "or name a configuration with auth.secrets"
        )
    return references[0], f"{given.places['auth_secrets']}[0]"


def _duration(text: str) -> timedelta:
    parts = re.fullmatch(r"([0-9]{1,9})([smhdw])", text)
    length = timedelta(**{_UNITS[parts[2]]: int(parts[1])}) if parts else timedelta()
    if not timedelta() < length <= MOST:
        raise ArgumentTypeError(f"expected a time as 90m, 12h or 30d, got {text[:40]!r}")
    return length


def _subject(text: str) -> str:
    if not (1 <= len(text) <= validators.MAX_NAME and text.isprintable()):
        raise ArgumentTypeError(f"expected 1 to {validators.MAX_NAME} printable characters")
    return text


COMMAND = Command("token", "make a token that lets somebody in", add_flags, run)
