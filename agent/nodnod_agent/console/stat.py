"""``nodnod stat``: the stats of the cluster, or of one node, for people or for programs."""

import asyncio
import time
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from nodnod_agent.console.command import (
    Command,
    Status,
    add_nodes,
    add_seconds,
    add_server,
    number,
    span,
)
from nodnod_agent.console.credentials import client_factory
from nodnod_agent.console.detail_view import detail_view
from nodnod_agent.console.output import FORMATS, Output, print_error
from nodnod_agent.console.signals import until_signal
from nodnod_agent.console.stat_by import SECTION, SumsByTag
from nodnod_agent.console.stat_request import StatRequest, agent_deadline, answers
from nodnod_agent.core.question import MATCHED
from nodnod_client.client import Client
from nodnod_client.errors import ConnectError, RequestTimeoutError
from nodnod_client.messages import Answer
from nodnod_client.sections import SECTIONS
from nodnod_client.tags import is_key

DEFAULT_TIMEOUT = 10.0


def _add_flags(parser: ArgumentParser) -> None:
    add_server(parser)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--local", action="store_true", help="only the node of this agent")
    add_nodes(which)
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
        "--detail",
        metavar="SECTION",
        nargs="+",
        choices=sorted(SECTIONS),
        help=f"show these sections of each node: {', '.join(sorted(SECTIONS))}",
    )
    parser.add_argument(
        "--history",
        metavar="SECONDS",
        type=number(float, 1, 604_800),
        help="show the past of each node, as far as its agent remembers it",
    )
    parser.add_argument(
        "--until",
        metavar="TIME",
        type=span,
        help="with --history: the past that ended 90 s, 10m, 2h, 1d ago (a number alone is seconds)",
    )
    parser.add_argument(
        "--match",
        metavar="PATTERN",
        help="with --detail processes: all whose names match ('postgres*'), and their sums",
    )
    parser.add_argument(
        "--by",
        metavar="KEY",
        type=_key,
        help="sums of the nodes with each value of this tag, instead of the nodes",
    )
    text = "repeat after this many seconds, until Ctrl-C"
    add_seconds(parser, "--watch", 0.25, None, text)
    text = (
        "give up after this many seconds; nodes that are too slow are listed with an error "
        f"(default: {DEFAULT_TIMEOUT:g}, and for each node the agent's own limit)"
    )
    add_seconds(parser, "--timeout", 0.1, None, text)


def _run(args: Namespace) -> int:
    """Ask once or repeatedly; the status is that of the last answer."""
    if args.format == "csv" and (args.detail or args.history):
        print_error("--csv has the stats only; use --json for --detail and --history")
        return Status.USAGE
    if args.until is not None and (args.history is None or args.watch is not None):
        print_error("--until needs --history, and goes with no --watch")
        return Status.USAGE
    if args.match is not None and MATCHED not in (args.detail or ()):
        print_error("--match needs --detail processes")
        return Status.USAGE
    if args.by is not None and (args.local or args.detail or args.history):
        print_error("--by has sums of the cluster; it goes with none of --local --detail --history")
        return Status.USAGE
    by = None if args.by is None else SumsByTag(args.by)
    deadline = None if args.timeout is None else agent_deadline(args.timeout)
    until = None if args.until is None else max(0.0, time.time() - args.until)
    request = StatRequest(
        local=args.local,
        nodes=args.nodes,
        detail=args.detail if by is None else [SECTION],
        history=args.history,
        until=until,
        deadline=deadline,
        match=args.match,
    )
    view = detail_view(args.detail or (), args.history, args.match, until)
    client = client_factory(args)(args.server, timeout=args.timeout or DEFAULT_TIMEOUT)
    output = partial(FORMATS[args.format], args.watch is not None, view)
    if by is not None:
        output = partial(by.output, args.format, args.watch is not None)
    if args.watch is not None:
        return asyncio.run(_watch(client, request, output, args.watch, by))
    answer = asyncio.run(_once(client, request, by))
    once = output()
    once.show(answer)
    once.close()
    return _status(answer)


async def _once(client: Client, request: StatRequest, by: SumsByTag | None) -> Answer:
    async with client:
        if by is not None:
            await by.refresh(client)
        return await request.ask(client)


async def _watch(
    client: Client,
    request: StatRequest,
    open_output: Callable[[], Output[Answer]],
    every: float,
    by: SumsByTag | None,
) -> int:
    await client.connect()  # only the first failure to connect ends the command
    last = Status.OK
    output = open_output()

    async def show() -> None:
        nonlocal last
        async for answer in answers(client, request, every):
            if not isinstance(answer, Answer):
                output.error(str(answer))
                continue
            if by is not None:
                # Where the connection is lost now, the next answer is an error and says so.
                with suppress(ConnectError, RequestTimeoutError):
                    await by.refresh(client)
            output.show(answer)
            last = _status(answer)

    try:
        await until_signal(show())
    finally:
        output.close()
        await client.disconnect()
    return last


def _key(text: str) -> str:
    if not is_key(text):
        raise ArgumentTypeError(f"must be the key of a tag, got {text[:40]!r}")
    return text


def _status(answer: Answer) -> Status:
    return Status.NODE_ERROR if any(node.error for node in answer.nodes.values()) else Status.OK


COMMAND = Command("stat", "show the stats of a cluster, or of one node", _add_flags, _run)
