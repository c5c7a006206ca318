"""``nodnod members``: whom an agent knows, and whether all agents see the same."""

import asyncio
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from functools import partial

import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from nodnod_agent.console.command import Command, Status, add_server, number
from nodnod_agent.console.credentials import Caller, dials
from nodnod_agent.console.diff import compare
from nodnod_agent.console.diff_text import conclusion, sentences
from nodnod_agent.console.gather import gather_views
from nodnod_agent.console.output import console
from nodnod_agent.console.units import human_span, plain
from nodnod_client.client import Client
from nodnod_client.messages import MemberInfo, Members

DEFAULT_TIMEOUT = 5.0

ERROR_COLUMN_FROM = 110
"""Characters of a terminal from which on errors have a column; below that they stand below."""

_STYLES = {"up": "green", "down": "bold red", "left": "dim"}


def add_flags(parser: ArgumentParser) -> None:
    """Declare the flags."""
    add_server(parser)
    parser.add_argument(
        "--agree",
        action="store_true",
        help="ask all members for their views too, and print where these differ; status 1 if so",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=number(float, 0.1, 3600),
        default=DEFAULT_TIMEOUT,
        help="give up on an agent that does not answer for so many seconds "
        f"(default: {DEFAULT_TIMEOUT:g})",
    )


def run(args: Namespace) -> int:
    """Run the command."""
    dial = partial(dials(args), timeout=args.timeout)
    client = dial(args.server)
    if args.agree:
        return asyncio.run(_agree(client, dial, args.json))
    members = asyncio.run(_ask(client))
    if args.json:
        _print_json({"host": members.host, "members": members.members, "error": members.error})
    else:
        screen = console()
        screen.print(members_view(members, now=time.time(), width=screen.width))
    return Status.FINE


async def _ask(client: Client) -> Members:
    async with client:
        return await client.members()


async def _agree(client: Client, dial: "partial[Caller]", as_json: bool) -> int:
    # Members list addresses only; a cluster that speaks TLS does so everywhere.
    form = "wss://{}/" if client.url.startswith("wss://") else "{}"
    async with client:
        found = await gather_views(client, lambda address: dial(form.format(address)))
    report = compare(found.views, found.failures)
    if as_json:
        _print_json({"agree": not report.differences, **msgspec.structs.asdict(report)})
    else:
        screen = console()
        for difference in sentences(report.differences):
            line = Text.assemble(("✗ ", "bold red"), plain(difference, 2000))
            screen.print(line, soft_wrap=True)
        screen.print(Text(plain(conclusion(report), 2000)), soft_wrap=True)
    return Status.ERRING if report.differences else Status.FINE


def members_view(members: Members, *, now: float, width: int) -> RenderableType:
    """One row per member in the order of the agent: itself, the others by name, those who left.

    Of those who left, one whose name somebody has who is there has come back, and is passed over.
    ``now`` is in Unix seconds; ``width`` that of the terminal, in characters.
    """
    there = {row.name for row in members.members if row.state != "left"}
    rows = [row for row in members.members if row.state != "left" or row.name not in there]
    wide = width >= ERROR_COLUMN_FROM
    table = Table(
        box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False, header_style="bold"
    )
    table.add_column("Name", overflow="fold", min_width=8)
    table.add_column("Address", overflow="fold")
    table.add_column("State", no_wrap=True)
    for title in ("Since", "RTT", "Version"):
        table.add_column(title, justify="right", no_wrap=True)
    if wide:
        table.add_column("Error", overflow="fold")
    for row in rows:
        table.add_row(*_cells(row, now)[: len(table.columns)])
    reasons = [
        Text.assemble((f"✗ {plain(row.name)}", "bold red"), f": {_reason(row)}")
        for row in rows
        if row.error and not wide
    ]
    return Group(table, *reasons, Text(_summary(rows, members.host), style="dim"))


def _cells(row: MemberInfo, now: float) -> list[Text]:
    style = _STYLES.get(row.state, "")
    return [
        Text(plain(row.name), style if row.state == "down" else "bold"),
        Text(plain(row.address)),
        Text(plain(row.state, 16), style),
        Text("-" if row.since is None else human_span(now - row.since)),
        Text("-" if row.rtt is None else f"{1000 * row.rtt:.1f} ms"),
        Text("-" if row.version is None else str(row.version)),
        Text(_reason(row), "red"),
    ]


def _reason(row: MemberInfo) -> str:
    """What is wrong; that the node is down says its state."""
    return plain(row.error.removeprefix("down: "))


def _summary(rows: Sequence[MemberInfo], host: str) -> str:
    states = [row.state for row in rows]
    parts = ["1 member" if len(states) == 1 else f"{len(states)} members"]
    parts += [f"{states.count(state)} {state}" for state in ("down", "left") if state in states]
    return f"{', '.join(parts)} · as {plain(host)} sees them"


def _print_json(document: object) -> None:
    text = msgspec.json.format(msgspec.json.encode(document), indent=2)
    sys.stdout.write(text.decode() + "\n")


COMMAND = Command("members", "show who is in a cluster, and whether all agree", add_flags, run)
