"""``nodnod secret``: makes the secret that the agents of a cluster share."""

import os
import secrets
import sys
from argparse import ArgumentParser, Namespace

from nodnod_agent.console.command import Command, Status
from nodnod_agent.console.output import complain

RANDOM_BYTES = 32
"""As many as the hash that signs tokens has; printed, they are 43 characters."""


def add_flags(parser: ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument(
        "--file",
        metavar="PATH",
        help="write it to a new file that only you may read (mode 0600) instead of printing it",
    )


def run(args: Namespace) -> int:
    """Run the command."""
    secret = secrets.token_urlsafe(RANDOM_BYTES)
    if args.file is None:
        sys.stdout.write(f"{secret}\n")
        return Status.FINE
    try:
        # Never over one that is in use: its agents would not know each other any more.
        descriptor = os.open(args.file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{secret}\n")
    except (OSError, ValueError) as error:
        complain(f"{args.file}: {(getattr(error, 'strerror', None) or str(error)).lower()}")
        return Status.USAGE
    return Status.FINE


COMMAND = Command("secret", "make a secret for a cluster", add_flags, run)
