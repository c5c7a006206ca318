"""``nodnod secret``: generates the secret that the agents of a cluster share."""

import os
import secrets
import sys
from argparse import ArgumentParser, Namespace

from nodnod_agent.console.command import Command, Status
from nodnod_agent.console.credentials import reason
from nodnod_agent.console.output import print_error

RANDOM_BYTES = 32
"""The size of the SHA-256 hash that signs tokens; 43 characters when printed."""


def _add_flags(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--file",
        metavar="PATH",
        help="write the secret to a new file that only you can read (mode 0600) instead of "
        "printing it",
    )


def _run(args: Namespace) -> int:
    secret = secrets.token_urlsafe(RANDOM_BYTES)
    if args.file is None:
        sys.stdout.write(f"{secret}\n")
        return Status.OK
    try:
        # O_EXCL: to overwrite a secret in use would lock its agents out of their cluster.
        descriptor = os.open(args.file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{secret}\n")
    except (OSError, ValueError) as error:
        print_error(f"{args.file}: {reason(error)}")
        return Status.USAGE
    return Status.OK


COMMAND = Command("secret", "generate a secret for a cluster", _add_flags, _run)
