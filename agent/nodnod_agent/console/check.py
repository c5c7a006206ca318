"""``nodnod check``: one line and an exit status, as monitoring systems run plugins for."""

import asyncio
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable

from nodnod_agent.console.command import Command, add_server, number
from nodnod_agent.console.credentials import dials
from nodnod_agent.console.stat_request import StatRequest
from nodnod_agent.console.verdict import METRICS, Levels, State, Thresholds, Verdict, evaluate
from nodnod_client.client import Client
from nodnod_client.errors import NodNodError
from nodnod_client.messages import Answer

DEFAULT_TIMEOUT = 10.0

# Of the time that the user gives, the agent gets so much to hear its peers; the rest is the way.
AGENT_SHARE = 0.8

_WORDS = {"cpu": "CPU", "memory": "memory", "disk": "disk space"}


_EXPLAINED = """\
exit status:
  0  OK
  1  WARNING: beyond a warning threshold, or a node is down and --min-nodes are up
  2  CRITICAL: beyond a critical threshold, or a node is down and there is no --min-nodes
  3  UNKNOWN: no answer, or wrong usage
"""


def add_flags(parser: ArgumentParser) -> None:
    """Declare the flags."""
    parser.formatter_class = RawDescriptionHelpFormatter
    parser.epilog = _EXPLAINED
    add_server(parser)
    parser.add_argument(
        "--nodes",
        metavar="PATTERN",
        nargs="+",
        help="only nodes of these names; * and ? and [ab] are wildcards",
    )
    parser.add_argument(
        "--min-nodes",
        metavar="[WARN,]CRIT",
        type=limits(0, 1_000_000, falling=True),
        help="how many nodes must be up; while enough are, one that is down is a warning only",
    )
    for name in METRICS:
        parser.add_argument(
            f"--{name}",
            metavar="[WARN,]CRIT",
            type=limits(0, 100),
            help=f"percent of {_WORDS[name]} above which any node is a warning, or critical",
        )
    parser.add_argument(
        "--stale",
        metavar="SECONDS",
        type=number(float, 0, 86_400),
        default=0.0,
        help="take a node that is not heard for up when its numbers are not older than this "
        "(push mode has such; default: 0)",
    )
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=number(float, 0.1, 3600),
        default=DEFAULT_TIMEOUT,
        help=f"give up after so many seconds (default: {DEFAULT_TIMEOUT:g})",
    )


def limits(lowest: float, highest: float, *, falling: bool = False) -> Callable[[str], Levels]:
    """Make an argparse type: ``90`` is where it is critical, ``80,90`` where it is a warning first.

    ``80,`` is a warning only. ``falling`` says that less is worse, so that the warning has to be
    the greater number.
    """
    single = number(float, lowest, highest)

    def read(text: str) -> Levels:
        parts = text.split(",")
        if len(parts) > 2 or not any(parts):
            raise ArgumentTypeError(f"must be CRITICAL or WARNING,CRITICAL, got {text[:40]!r}")
        warning, critical = [None, *(single(part) if part else None for part in parts)][-2:]
        if warning is not None and critical is not None:
            order = "smaller" if falling else "greater"
            if (warning < critical) if falling else (warning > critical):
                what = f"the warning comes first and must not be {order}, got {text[:40]!r}"
                raise ArgumentTypeError(what)
        return Levels(warning, critical)

    return read


def run(args: Namespace) -> int:
    """Run the command; what keeps it from an answer is UNKNOWN."""
    thresholds = Thresholds(
        metrics={name: value for name in METRICS if (value := getattr(args, name)) is not None},
        nodes=args.min_nodes,
        stale=args.stale,
    )
    deadline = min(30.0, max(0.05, AGENT_SHARE * args.timeout))
    question = StatRequest(nodes=args.nodes, deadline=deadline)
    try:
        client = dials(args)(args.server, timeout=args.timeout)
        verdict = evaluate(asyncio.run(_ask(client, question)), thresholds)
    except NodNodError as error:
        verdict = Verdict(State.UNKNOWN, str(error))
    sys.stdout.write(verdict.line() + "\n")
    return verdict.state


async def _ask(client: Client, question: StatRequest) -> Answer:
    async with client:
        return await question.ask(client)


COMMAND = Command(
    "check",
    "judge a cluster by thresholds, as a monitoring plugin",
    add_flags,
    run,
    misused=State.UNKNOWN,
)
