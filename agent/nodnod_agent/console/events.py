"""``nodnod events``: what has happened in the cluster, once or as it happens."""

import asyncio
import sys
import time
from argparse import ArgumentParser, Namespace

import msgspec
from rich.console import Console
from rich.text import Text

from nodnod_agent.console.command import (
    Command,
    Status,
    add_names,
    add_nodes,
    add_server,
    add_timeout,
    nodes_of,
    span,
)
from nodnod_agent.console.credentials import client_factory
from nodnod_agent.console.fitted_table import FittedTable
from nodnod_agent.console.output import console, print_error
from nodnod_agent.console.signals import until_signal
from nodnod_agent.console.units import local_time, plain
from nodnod_agent.console.watching import RETRY_INTERVAL
from nodnod_client.client import Client
from nodnod_client.errors import ConnectError
from nodnod_client.messages import Event

DEFAULT_TIMEOUT = 10.0

LOOK_EVERY = 1.0
"""Seconds between the looks of the agent for new events."""

REMEMBERED = 2000
"""Events that are known again after a reconnection: twice as many as an agent keeps."""

_STYLES = {
    "down": "bold red",
    "alert-fired": "red",
    "alert-cleared": "green",
    "left": "dim",
    **dict.fromkeys(("up", "started", "joined", "restarted"), "green"),
    **dict.fromkeys(("clock-stepped", "reloaded", "renamed"), "yellow"),
}

NARROW = 60
"""Below this width the time of an event has no year and no seconds."""

_KIND_WIDTH = max(map(len, _STYLES))
_NODE_WIDTH = 12


def _add_flags(parser: ArgumentParser) -> None:
    add_server(parser)
    add_nodes(parser)
    add_names(parser)
    parser.add_argument(
        "--since",
        metavar="TIME",
        type=span,
        help="only of the last 90 s, 10m, 2h, 3d (a number alone is seconds)",
    )
    parser.add_argument(
        "--follow", "-f", action="store_true", help="print new ones too, until Ctrl-C"
    )
    parser.add_argument(
        "--json", action="store_true", help="print JSON; with --follow one event per line"
    )
    add_timeout(parser, DEFAULT_TIMEOUT)


def _run(args: Namespace) -> int:
    client = client_factory(args)(args.server, timeout=args.timeout)
    since = None if args.since is None else max(0.0, time.time() - args.since)
    nodes = nodes_of(args)
    if args.follow:
        return asyncio.run(_follow(client, since, nodes, as_json=args.json))
    return asyncio.run(_show(client, since, nodes, as_json=args.json))


async def _show(
    client: Client, since: float | None, nodes: list[str] | None, *, as_json: bool
) -> int:
    async with client:
        found = await client.events(since=since, nodes=nodes)
    if as_json:
        document = {"host": found.host, "events": found.events, "error": found.error}
        text = msgspec.json.format(msgspec.json.encode(document), indent=2)
        sys.stdout.write(text.decode() + "\n")
        return Status.OK
    for event in found.events:
        _print(event, as_json=False)
    return Status.OK


async def _follow(
    client: Client, since: float | None, nodes: list[str] | None, *, as_json: bool
) -> int:
    await client.connect()  # only the first failure to connect ends the command
    seen: dict[str, None] = {}

    async def follow() -> None:
        while True:
            try:
                await client.connect()
                async for event in client.follow_events(
                    since=since, nodes=nodes, every=LOOK_EVERY, reconnect=False
                ):
                    if event.id not in seen:
                        _print(event, as_json=as_json)
                        seen[event.id] = None
                    if len(seen) > REMEMBERED:
                        del seen[next(iter(seen))]
            except ConnectError as error:
                print_error(str(error))
            await asyncio.sleep(RETRY_INTERVAL)

    try:
        await until_signal(follow())
    finally:
        await client.disconnect()
    return Status.OK


def _print(event: Event, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(msgspec.json.encode(event).decode() + "\n")
    else:
        screen = console()
        for line in event_lines(event, screen):
            screen.print(line)
    sys.stdout.flush()


def event_line(event: Event) -> Text:
    """Return one line: the local time, the node, what has happened, and more about it."""
    return Text.assemble(
        (f"{local_time(event.at)}  ", "dim"),
        (f"{plain(event.node):{_NODE_WIDTH}}", "bold"),
        "  ",
        (f"{plain(event.kind, 32):{_KIND_WIDTH}}", _STYLES.get(event.kind, "")),
        f"  {plain(event.text)}",
    )


def event_lines(event: Event, screen: Console) -> list[Text]:
    """Return an event for a terminal: where the line has no room, what is more stands below it."""
    line = event_line(event)
    if line.cell_len <= screen.width:
        return [line]
    narrow = screen.width < NARROW
    table = FittedTable()
    table.column("")
    table.column("", least=8, width=_NODE_WIDTH)
    table.column("", width=None if narrow else _KIND_WIDTH)
    table.column("", leave=1, prose=True)
    table.add_row(
        Text(local_time(event.at, short=narrow), "dim"),
        Text(plain(event.node), "bold"),
        Text(plain(event.kind, 32), _STYLES.get(event.kind, "")),
        Text(plain(event.text)),
    )
    return table.lines(screen, screen.options).rows[0]


COMMAND = Command("events", "show what has happened in a cluster, or follow it", _add_flags, _run)
