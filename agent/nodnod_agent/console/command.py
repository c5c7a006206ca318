"""What a subcommand of ``nodnod`` is, and what its command line shares with the others."""

import math
import os
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable
from enum import IntEnum
from typing import NamedTuple, NoReturn

from nodnod_agent.console.credentials import add_credentials
from nodnod_client.client import DEFAULT_SERVER, server_url
from nodnod_client.errors import AddressError


class Status(IntEnum):
    """The exit statuses."""

    FINE = 0
    ERRING = 1
    USAGE = 2
    UNREACHABLE = 3


class Command(NamedTuple):
    """One row of the table of subcommands.

    ``add_flags`` declares the flags; ``run`` does the work and gives the exit status. It may raise
    NodNodError, which becomes a line on stderr and a status. ``misused`` is the status of a wrong
    command line.
    """

    name: str
    help: str
    add_flags: Callable[[ArgumentParser], None]
    run: Callable[[Namespace], int]
    misused: int = Status.USAGE


class Parser(ArgumentParser):
    """A parser whose complaint is one line."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and where to read on."""
        self.exit(Status.USAGE, f"{self.prog}: {message} (see {self.prog} --help)\n")


def add_server(parser: ArgumentParser) -> None:
    """Declare ``--server`` and what lets one in, whose defaults the environment can set."""
    parser.add_argument(
        "--server",
        metavar="HOST:PORT",
        type=server,
        default=os.environ.get("NODNOD_SERVER") or DEFAULT_SERVER,
        help=f"the agent to ask; NODNOD_SERVER if set, else {DEFAULT_SERVER}",
    )
    add_credentials(parser)


def server(text: str) -> str:
    """Check the address of an agent, for argparse."""
    try:
        server_url(text)
    except AddressError as error:
        raise ArgumentTypeError(str(error)) from None
    return text


def number(kind: type[int] | type[float], lowest: float, highest: float) -> Callable[[str], float]:
    """Make an argparse type: a number within bounds, both included."""

    def read(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not lowest <= value <= highest:
            raise ArgumentTypeError(
                f"must be between {lowest:g} and {highest:g}, got {text[:40]!r}"
            )
        return value

    return read
