"""``nodnod stat``: the stats of the cluster, or of one node, for people or for programs."""

import asyncio
import time
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial

from nodnod_agent.console.command import (
    Command,
    Status,
    add_every,
    add_names,
    add_nodes,
    add_seconds,
    add_server,
    nodes_of,
    number,
    span,
)
from nodnod_agent.console.cores import SECTION
from nodnod_agent.console.credentials import client_factory
from nodnod_agent.console.detail_view import detail_view
from nodnod_agent.console.node_order import HISTORY, KEYS, Order
from nodnod_agent.console.output import Output, csv_table, json_text, print_error, table
from nodnod_agent.console.stat_by import SORTED_BY, SumsByTag
from nodnod_agent.console.stat_request import StatRequest, agent_deadline, answers
from nodnod_agent.console.watching import Lost, watch
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
    add_names(parser)
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
    parser.add_argument(
        "--sort",
        choices=KEYS,
        help="order of the nodes; those in trouble come first in each (default: name)",
    )
    parser.add_argument("--reverse", action="store_true", help="turn the order around")
    add_every(parser)
    text = (
        "give up after this many seconds; nodes that are too slow are listed with an error "
        f"(default: {DEFAULT_TIMEOUT:g}, and for each node the agent's own limit)"
    )
    add_seconds(parser, ("--timeout",), 0.1, None, text)


def _run(args: Namespace) -> int:
    """Ask once or repeatedly; the status is that of the last answer."""
    if fault := _fault(args):
        print_error(f"{fault} (see nodnod stat --help)")
        return Status.USAGE
    order = Order(args.sort or "name", args.reverse)
    by = None if args.by is None else SumsByTag(args.by, order if _sorts(args) else None)
    until = None if args.until is None else max(0.0, time.time() - args.until)
    request = StatRequest(
        local=args.local,
        nodes=nodes_of(args),
        detail=_detail(args, order) if by is None else [SECTION],
        history=args.history or (HISTORY if by is None and order.key.history else None),
        until=until,
        deadline=None if args.timeout is None else agent_deadline(args.timeout),
        match=args.match,
    )
    client = client_factory(args)(args.server, timeout=args.timeout or DEFAULT_TIMEOUT)
    output = partial(_output, args, order, by, until)
    if args.every is not None:
        stream = _with_tags(client, answers(client, request, args.every), by)
        return asyncio.run(watch(client, stream, output, _status, Status.OK))
    answer = asyncio.run(_once(client, request, by))
    once = output()
    once.show(answer)
    once.close()
    return _status(answer)


def _fault(args: Namespace) -> str:
    """Return what is wrong with flags that are valid one by one."""
    if args.local and args.names:
        return "--local is the node of this agent only; it goes with no names"
    if args.format == "csv" and (args.detail or args.history):
        return "--csv has the stats only; use --json for --detail and --history"
    if args.until is not None and (args.history is None or args.every is not None):
        return "--until needs --history, and goes with no --every"
    if args.match is not None and MATCHED not in (args.detail or ()):
        return "--match needs --detail processes"
    if args.by is not None and (args.local or args.detail or args.history):
        return "--by has sums of the cluster; it goes with none of --local --detail --history"
    if args.by is not None and args.sort not in (None, *SORTED_BY):
        return f"--by has no {args.sort} to sort by; it has {', '.join(SORTED_BY)}"
    if args.by is None and args.format == "json" and _sorts(args):
        return "--json has the answer as it came; --sort and --reverse go with --csv or a table"
    return ""


def _sorts(args: Namespace) -> bool:
    return args.sort is not None or args.reverse


def _detail(args: Namespace, order: Order) -> list[str] | None:
    """Return the sections to show, and the one to sort by."""
    more = order.key.detail
    return [*(args.detail or ()), *([more] if more else [])] or None


def _output(
    args: Namespace, order: Order, by: SumsByTag | None, until: float | None
) -> Output[Answer]:
    repeated = args.every is not None
    if by is not None:
        return by.output(args.format, repeated)
    if args.format == "json":
        return json_text(repeated)
    if args.format == "csv":
        return csv_table(order if _sorts(args) else None)
    return table(repeated, detail_view(args.detail or (), args.history, args.match, until, order))


async def _once(client: Client, request: StatRequest, by: SumsByTag | None) -> Answer:
    async with client:
        if by is not None:
            await by.refresh(client)
        return await request.ask(client)


async def _with_tags(
    client: Client, found: AsyncIterator[Answer | Lost], by: SumsByTag | None
) -> AsyncIterator[Answer | Lost]:
    """Ask for the tags again before each answer."""
    async for answer in found:
        if by is not None and isinstance(answer, Answer):
            # Where the connection is lost now, the next answer is an error and says so.
            with suppress(ConnectError, RequestTimeoutError):
                await by.refresh(client)
        yield answer


def _key(text: str) -> str:
    if not is_key(text):
        raise ArgumentTypeError(f"must be the key of a tag, got {text[:40]!r}")
    return text


def _status(answer: Answer) -> Status:
    return Status.NODE_ERROR if any(node.error for node in answer.nodes.values()) else Status.OK


COMMAND = Command("stat", "show the stats of a cluster, or of one node", _add_flags, _run)
