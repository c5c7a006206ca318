"""``nodnod token``: makes a token for a cluster with a secret."""

import os
import re
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from datetime import UTC, datetime, timedelta

from nodnod_agent.auth.secrets import read_secret
from nodnod_agent.config import validators
from nodnod_agent.config.validators import ConfigError
from nodnod_agent.console.command import Command, Status
from nodnod_agent.console.configuration import DEFAULT_CONFIG, read_configuration
from nodnod_agent.console.output import print_error

ROLES = ("read", "operate")
DEFAULT_TTL = "12h"
MAX_TTL = timedelta(days=3660)

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def _add_flags(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--role",
        choices=ROLES,
        default=ROLES[0],
        help="what the token permits: to read everything, or also to silence alerts (operate) "
        "(default: read)",
    )
    parser.add_argument(
        "--ttl",
        metavar="TIME",
        type=_duration,
        default=DEFAULT_TTL,
        help=f"lifetime, such as 90m, 12h or 30d (default: {DEFAULT_TTL})",
    )
    parser.add_argument(
        "--for",
        dest="subject",
        metavar="NAME",
        type=_subject,
        required=True,
        help="name of the holder; it is written into the token for your information only",
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--secret", metavar="PLACE", help="the cluster's secret: env:NAME or file:PATH"
    )
    source.add_argument(
        "--config",
        metavar="PATH",
        help="configuration of an agent; the first of its auth.secrets signs the token "
        f"(default: NODNOD_AUTH_SECRETS, NODNOD_CONFIG, {DEFAULT_CONFIG})",
    )


def _run(args: Namespace) -> int:
    """Print the token on stdout and its expiry on stderr."""
    try:
        secret = read_secret(*_reference(args), os.environ)
    except ConfigError as error:
        print_error(str(error))
        return Status.USAGE
    from nodnod_agent.auth.tokens import Tokens  # only here: the other commands need no PyJWT

    seconds = args.ttl.total_seconds()
    token = Tokens([secret]).mint(args.role, seconds, args.subject)
    sys.stdout.write(f"{token}\n")
    end = datetime.now(UTC) + args.ttl
    print_error(f"valid until {end:%Y-%m-%d %H:%M} UTC, with the role {args.role}")
    return Status.OK


def _reference(args: Namespace) -> tuple[str, str]:
    """Return where the signing secret is, and which setting says so. Raises ConfigError."""
    if args.secret is not None:
        return validators.reference(args.secret, "--secret"), "--secret"
    # The environment takes precedence over the file, but --config over the environment.
    given = read_configuration(args.config, {} if args.config else os.environ)
    references = given.values.get("auth_secrets", ())
    if not references:
        raise ConfigError(
            "no secret found: pass --secret env:NAME or --secret file:PATH, "
            "or --config with a file that has auth.secrets"
        )
    return references[0], f"{given.places['auth_secrets']}[0]"


def _duration(text: str) -> timedelta:
    parts = re.fullmatch(r"([0-9]{1,9})([smhdw])", text)
    length = timedelta(**{_UNITS[parts[2]]: int(parts[1])}) if parts else timedelta()
    if not timedelta() < length <= MAX_TTL:
        raise ArgumentTypeError(f"expected a time such as 90m, 12h or 30d, got {text[:40]!r}")
    return length


def _subject(text: str) -> str:
    if not (1 <= len(text) <= validators.MAX_NAME and text.isprintable()):
        raise ArgumentTypeError(f"expected 1 to {validators.MAX_NAME} printable characters")
    return text


COMMAND = Command("token", "make a token for a cluster with a secret", _add_flags, _run)
