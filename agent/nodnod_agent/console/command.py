"""A subcommand of ``nodnod``, and the flags that several subcommands share."""

import math
import re
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace, _ActionsContainer
from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from nodnod_agent.console.credentials import Variable, add_credentials, checked
from nodnod_client.client import DEFAULT_SERVER, server_url
from nodnod_client.errors import AddressError

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

_SPANS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}


class Status(IntEnum):
    """The exit statuses of all commands but ``check``."""

    OK = 0
    NODE_ERROR = 1
    USAGE = 2
    UNREACHABLE = 3


class Command(NamedTuple):
    """One row of the table of subcommands.

    ``add_flags`` declares the flags. ``run`` does the work and returns the exit status; it may
    raise NodNodError, which becomes a line on stderr and a status. ``usage_status`` is the status
    of a wrong command line. The errors of a ``plugin`` are for a monitoring system, which reads stdout.
    """

    name: str
    help: str
    add_flags: Callable[[ArgumentParser], None]
    run: Callable[[Namespace], int]
    usage_status: int = Status.USAGE
    plugin: bool = False


class Parser(ArgumentParser):
    """A parser that reports an error in one line."""

    def error(self, message: str) -> NoReturn:
        """Exit with the error and a pointer to the help."""
        self.exit(Status.USAGE, f"{self.prog}: {message} (see {self.prog} --help)\n")

    def _print_message(self, message: str, file: "SupportsWrite[str] | None" = None) -> None:
        # argparse keeps silent of help that could not be written.
        if file is not None and file is sys.stdout:
            file.write(message)
        else:
            super()._print_message(message, file)


def add_server(parser: ArgumentParser) -> None:
    """Declare ``--server`` and the credentials; environment variables set the defaults."""
    parser.add_argument(
        "--server",
        metavar="HOST:PORT",
        type=checked(_server),
        default=Variable.read("NODNOD_SERVER") or DEFAULT_SERVER,
        help="the agent to ask: host:port, or the address of its page in the browser "
        f"(default: NODNOD_SERVER, else {DEFAULT_SERVER})",
    )
    add_credentials(parser)


def add_nodes(parser: _ActionsContainer) -> None:
    """Declare ``--nodes``."""
    parser.add_argument(
        "--nodes",
        metavar="PATTERN",
        nargs="+",
        help="only nodes with such names, or tags as tag:role=db and site:eu-1; * and ? and [ab] are wildcards",
    )


def add_names(parser: ArgumentParser, more: str = "") -> None:
    """Declare the names or patterns of nodes as arguments without a flag; ``more`` is what else they do."""
    text = "the same as --nodes: only nodes with such names or tags"
    parser.add_argument("names", metavar="NODE", nargs="*", default=[], help=text + more)


def nodes_of(args: Namespace) -> list[str] | None:
    """The names and patterns of both kinds; None if there are none."""
    return [*args.names, *(args.nodes or ())] or None


def add_every(parser: ArgumentParser) -> None:
    """Declare ``--every``, and ``--watch``, as it was called."""
    text = "repeat after this many seconds, until Ctrl-C"
    add_seconds(parser, ("--every", "--watch"), 0.25, None, text)


def add_timeout(parser: ArgumentParser, default: float, text: str = "give up") -> None:
    """Declare ``--timeout``."""
    text = f"{text} after this many seconds (default: {default:g})"
    add_seconds(parser, ("--timeout",), 0.1, default, text)


def add_seconds(
    parser: ArgumentParser, flags: Sequence[str], lowest: float, default: float | None, text: str
) -> None:
    """Declare a flag that takes from ``lowest`` to 3600 seconds."""
    kind = number(float, lowest, 3600)
    parser.add_argument(*flags, metavar="SECONDS", type=kind, default=default, help=text)


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


def span(text: str) -> float:
    """Read a duration: ``2h`` is 7200."""
    found = re.fullmatch(r"(\d{1,9}(?:\.\d+)?)\s*([a-z]*)", text.strip())
    unit = _SPANS.get(found[2] or "s") if found else None
    if found is None or unit is None:
        raise ArgumentTypeError(f"must be like 90s, 10m, 2h or 3d, got {text[:40]!r}")
    return float(found[1]) * unit


def _server(text: str) -> str:
    try:
        server_url(text)
    except AddressError as error:
        raise ArgumentTypeError(str(error)) from None
    return text
