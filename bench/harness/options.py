"""The command lines of the benchmarks: flags that several of them have, and exit statuses."""

import argparse
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from bench.harness.load import Plan
from nodnod_client.address import Address, parse_address
from nodnod_client.errors import AddressError, ConnectError


def run_program(main: Callable[[], int | None]) -> NoReturn:
    """Run a benchmark and exit: with its status, 3 for an agent that fails, 130 after Ctrl-C."""
    try:
        sys.exit(main())
    except (ConnectError, RuntimeError) as error:
        print(error, file=sys.stderr)
        sys.exit(3)
    except KeyboardInterrupt:
        sys.exit(130)


def add_load(
    parser: argparse.ArgumentParser, *, concurrent: int = 10, number: int = 100, pipeline: int = 1
) -> None:
    """Add the flags of a load."""
    flag(parser, "concurrent", positive, concurrent, "number of concurrent connections")
    flag(parser, "number", positive, number, "total number of requests")
    flag(parser, "pipeline", positive, pipeline, "requests in flight on each connection")
    flag(parser, "type", int, 1, "0 asks for one node, 1 for the whole cluster", choices=(0, 1))
    flag(parser, "timeout", seconds, 10.0, "seconds without an answer before giving up")


def add_server(parser: argparse.ArgumentParser) -> None:
    """Add the flags of an agent that runs already."""
    flag(parser, "server", address, "127.0.0.1:7070", "agent to connect to")
    flag(parser, "nodes", positive, 1, "number of nodes that an answer must have")


def plan_of(parser: argparse.ArgumentParser, options: argparse.Namespace) -> Plan:
    """The load that a command line describes; an impossible one ends the process with status 2."""
    given = {field: value for field, value in vars(options).items() if field in _FIELDS}
    plan = Plan(**{"server": Address("127.0.0.1", 0), **given})
    if plan.number < plan.concurrent:
        parser.error(f"--number {plan.number} is less than --concurrent {plan.concurrent}")
    return plan


def flag(
    parser: argparse.ArgumentParser,
    name: str,
    kind: Callable[[str], Any],
    default: object,
    text: str,
    **more: Any,
) -> None:
    """Add a flag that may have one dash or two; with a list as default it takes several values."""
    shown = default
    if isinstance(default, list):
        shown = " ".join(map(str, default)) or "none"
        more.setdefault("nargs", "+")
    parser.add_argument(
        f"--{name}",
        f"-{name}",
        type=kind,
        default=default,
        help=f"{text} (default {shown})",
        **more,
    )


def positive(text: str) -> int:
    """A whole number above 0."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {text}")
    return number


def seconds(text: str) -> float:
    """A number of seconds above 0."""
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"must be seconds above 0, got {text}")
    return number


def address(text: str) -> Address:
    """An address, as agents write it."""
    try:
        return parse_address(text)
    except AddressError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


_FIELDS = frozenset(Plan.__struct_fields__)
