"""``nodnod check``: a monitoring plugin that prints one line and exits with a severity."""

import asyncio
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable

from msgspec.structs import replace

from nodnod_agent.console.command import (
    Command,
    add_names,
    add_nodes,
    add_server,
    add_timeout,
    nodes_of,
    number,
)
from nodnod_agent.console.credentials import client_factory
from nodnod_agent.console.stat_request import StatRequest, agent_deadline
from nodnod_agent.console.verdict import METRICS, Levels, Severity, Thresholds, Verdict, evaluate
from nodnod_client.client import Client
from nodnod_client.errors import NodNodError
from nodnod_client.messages import Answer

DEFAULT_TIMEOUT = 10.0

_HELP = {
    "cpu": "highest acceptable use of CPU on any node, in percent",
    "memory": "highest acceptable use of memory on any node, in percent",
    "disk": "highest acceptable use of any counted filesystem on any node, in percent as in df",
}

_EPILOG = """\
exit status:
  0  OK
  1  WARNING: a warning threshold is crossed, or a node is down but --min-nodes are up
  2  CRITICAL: a critical threshold is crossed, or a node is down and --min-nodes is not given
  3  UNKNOWN: no answer, or wrong usage
"""


def _add_flags(parser: ArgumentParser) -> None:
    parser.formatter_class = RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    add_server(parser)
    add_nodes(parser)
    add_names(parser)
    parser.add_argument(
        "--min-nodes",
        metavar="[WARN,]CRIT",
        type=levels(0, 1_000_000, falling=True),
        help="how many nodes must be up; if enough are, a node that is down is only a warning",
    )
    for name in METRICS:
        parser.add_argument(
            f"--{name}",
            metavar="[WARN,]CRIT",
            type=levels(0, 100),
            nargs="?",
            const=Levels(),
            help=_HELP[name],
        )
    for short, name in (("-w", "warning"), ("-c", "critical")):
        parser.add_argument(
            short,
            f"--{name}",
            metavar="PERCENT",
            type=number(float, 0, 100),
            help=f"{name} level of those of --{', --'.join(METRICS)} that are given without levels; "
            "of all three if none is given",
        )
    parser.add_argument(
        "--stale",
        metavar="SECONDS",
        type=number(float, 0, 86_400),
        default=0.0,
        help="count a silent node as up while its last numbers are at most this old "
        "(only push mode keeps them; default: 0)",
    )
    add_timeout(parser, DEFAULT_TIMEOUT)


def levels(lowest: float, highest: float, *, falling: bool = False) -> Callable[[str], Levels]:
    """Make an argparse type: ``90`` is a critical level, ``80,90`` a warning and a critical one.

    ``80,`` is a warning level only. ``falling`` means that less is worse: the warning level must
    not be below the critical one.
    """
    single = number(float, lowest, highest)

    def read(text: str) -> Levels:
        parts = text.split(",")
        if len(parts) > 2 or not any(parts):
            raise ArgumentTypeError(f"must be CRITICAL or WARNING,CRITICAL, got {text[:40]!r}")
        warning, critical = [None, *(single(part) if part else None for part in parts)][-2:]
        if warning is not None and critical is not None:
            side = "below" if falling else "above"
            if (warning < critical) if falling else (warning > critical):
                error = f"WARNING must not be {side} CRITICAL, got {text[:40]!r}"
                raise ArgumentTypeError(error)
        return Levels(warning, critical)

    return read


def _run(args: Namespace) -> int:
    """Print the verdict and return its severity; without an answer that is UNKNOWN."""
    try:
        metrics = _metrics(args)
    except ValueError as error:
        sys.stdout.write(unknown(f"{error} (see nodnod check --help)"))
        return Severity.UNKNOWN
    thresholds = Thresholds(
        metrics=metrics,
        nodes=args.min_nodes,
        stale=args.stale,
    )
    request = StatRequest(nodes=nodes_of(args), deadline=agent_deadline(args.timeout))
    try:
        client = client_factory(args)(args.server, timeout=args.timeout)
        answer = asyncio.run(_ask(client, request, filesystems="disk" in metrics))
        verdict = evaluate(answer, thresholds)
    except NodNodError as error:
        verdict = Verdict(Severity.UNKNOWN, str(error))
    sys.stdout.write(verdict.line() + "\n")
    return verdict.severity


def unknown(text: str) -> str:
    """Return the line of a check that has no result."""
    return Verdict(Severity.UNKNOWN, text).line() + "\n"


def _metrics(args: Namespace) -> dict[str, Levels]:
    """Return the levels by metric. Raises ValueError for flags that are valid one by one."""
    given = {name: value for name in METRICS if (value := getattr(args, name)) is not None}
    common = Levels(args.warning, args.critical)
    if common == Levels():
        bare = next((name for name, value in given.items() if value == Levels()), None)
        if bare is not None:
            raise ValueError(f"--{bare} needs levels, its own or those of -w and -c")
        return given
    if None not in (args.warning, args.critical) and args.warning > args.critical:
        raise ValueError("the level of -w must not be above that of -c")
    if given and Levels() not in given.values():
        raise ValueError("-w and -c are for --cpu, --memory and --disk without levels")
    given = given or dict.fromkeys(METRICS, Levels())
    return {name: common if value == Levels() else value for name, value in given.items()}


async def _ask(client: Client, request: StatRequest, *, filesystems: bool) -> Answer:
    """Connect, ask and disconnect.

    The filesystems are asked for beside the stats: in push mode an agent has the last stats of a
    silent node, but no details. A version-1 node has only the sum of its filesystems.
    """
    async with client:
        if not filesystems or client.version == 1:
            return await request.ask(client)
        detailed = replace(request, detail=["filesystems"])
        answer, details = await asyncio.gather(request.ask(client), detailed.ask(client))
    nodes = {
        name: replace(node, detail=found.detail) if (found := details.nodes.get(name)) else node
        for name, node in answer.nodes.items()
    }
    return replace(answer, nodes=nodes)


COMMAND = Command(
    "check",
    "check a cluster against thresholds, as a monitoring plugin",
    _add_flags,
    _run,
    usage_status=Severity.UNKNOWN,
    plugin=True,
)
