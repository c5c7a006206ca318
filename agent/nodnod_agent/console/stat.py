"""``nodnod stat``: the cluster, or one node, as a table or for programs."""

import asyncio
from argparse import ArgumentParser, Namespace

from nodnod_agent.console.command import Command, Status, add_server, number
from nodnod_agent.console.credentials import dials
from nodnod_agent.console.output import FORMATS, Output
from nodnod_agent.console.signals import until_signal
from nodnod_agent.console.stat_request import StatRequest, answers
from nodnod_client.client import Client
from nodnod_client.messages import Answer

DEFAULT_TIMEOUT = 10.0

# Of the time that the user gives, the agent gets so much to hear its peers; the rest is the way.
AGENT_SHARE = 0.8


def add_flags(parser: ArgumentParser) -> None:
    """Declare the flags."""
    add_server(parser)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--local", action="store_true", help="only the node of that agent")
    which.add_argument(
        "--nodes",
        metavar="PATTERN",
        nargs="+",
        help="only nodes of these names; * and ? and [ab] are wildcards",
    )
    form = parser.add_mutually_exclusive_group()
    for name in ("json", "csv"):
        form.add_argument(
            f"--{name}",
            dest="format",
            action="store_const",
            const=name,
            default="table",
            help=f"print {name.upper()} instead of a table",
        )
    parser.add_argument(
        "--watch",
        metavar="SECONDS",
        type=number(float, 0.25, 3600),
        help="ask again every so many seconds, until Ctrl-C",
    )
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=number(float, 0.1, 3600),
        help="give up after so many seconds; slower nodes are named as such "
        f"(default: {DEFAULT_TIMEOUT:g}, and what the agent gives its nodes)",
    )


def run(args: Namespace) -> int:
    """Run the command."""
    deadline = None if args.timeout is None else min(30.0, max(0.05, AGENT_SHARE * args.timeout))
    question = StatRequest(local=args.local, nodes=args.nodes, deadline=deadline)
    client = dials(args)(args.server, timeout=args.timeout or DEFAULT_TIMEOUT)
    if args.watch is None:
        return asyncio.run(_once(client, question, args.format))
    return asyncio.run(_watch(client, question, args.format, args.watch))


async def _once(client: Client, question: StatRequest, form: str) -> int:
    async with client:
        answer = await question.ask(client)
    output = FORMATS[form](False)
    output.show(answer)
    output.close()
    return _status(answer)


async def _watch(client: Client, question: StatRequest, form: str, every: float) -> int:
    """Show answers until a signal; the status is that of the last one."""
    await client.connect()  # a first failure is an error, later ones are part of what is watched
    last = Status.FINE
    output: Output = FORMATS[form](True)

    async def show() -> None:
        nonlocal last
        async for answer in answers(client, question, every):
            if isinstance(answer, Answer):
                output.show(answer)
                last = _status(answer)
            else:
                output.trouble(str(answer))

    try:
        await until_signal(show())
    finally:
        output.close()
        await client.disconnect()
    return last


def _status(answer: Answer) -> Status:
    return Status.ERRING if any(node.error for node in answer.nodes.values()) else Status.FINE


COMMAND = Command("stat", "show the stats of a cluster, or of one node", add_flags, run)
