"""``nodnod members``: the members that an agent knows, or the differences between all views."""

import asyncio
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from functools import partial

import msgspec
from rich.text import Text

from nodnod_agent.console.command import Command, Status, add_server, add_timeout
from nodnod_agent.console.credentials import CommandClient, client_factory
from nodnod_agent.console.diff import compare
from nodnod_agent.console.diff_text import conclusion, sentences
from nodnod_agent.console.gather import gather_views
from nodnod_agent.console.output import console
from nodnod_agent.console.sheet import Sheet
from nodnod_agent.console.table import headed_table
from nodnod_agent.console.units import counted, human_span, plain, tags_text
from nodnod_client.client import Client
from nodnod_client.messages import MemberInfo, Members

DEFAULT_TIMEOUT = 5.0

_STYLES = {"up": "green", "down": "bold red", "left": "dim"}


def _add_flags(parser: ArgumentParser) -> None:
    add_server(parser)
    parser.add_argument(
        "--agree",
        action="store_true",
        help="compare the views of all agents and print where they differ (then status 1)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    add_timeout(parser, DEFAULT_TIMEOUT, "give up on an agent")


def _run(args: Namespace) -> int:
    dial = partial(client_factory(args), timeout=args.timeout)
    client = dial(args.server)
    if args.agree:
        return asyncio.run(_agree(client, dial, args.json))
    members = asyncio.run(_ask(client))
    if args.json:
        _print_json({"host": members.host, "members": members.members, "error": members.error})
    else:
        console().print(members_view(members, now=time.time()))
    return Status.OK


async def _ask(client: Client) -> Members:
    async with client:
        return await client.members()


async def _agree(client: Client, dial: "partial[CommandClient]", as_json: bool) -> int:
    # Members list bare addresses; all agents of a cluster use TLS, or none.
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
    return Status.NODE_ERROR if report.differences else Status.OK


def members_view(members: Members, *, now: float) -> Sheet:
    """Show one row per member in the agent's order: itself, the others by name, those that left.

    A member that left is not shown if a present one has its name: it has come back. ``now`` is in
    Unix seconds.
    """
    present = {row.name for row in members.members if row.state != "left"}
    rows = [row for row in members.members if row.state != "left" or row.name not in present]
    table = headed_table()
    table.column("Name", least=8)
    table.column("Address", least=12)
    table.column("State")
    table.column("Since", right=True, leave=4)
    table.column("RTT", right=True, leave=3)
    table.column("Version", right=True, leave=1)
    table.column("Tags", least=12, leave=2)
    for row in rows:
        table.add_row(*_cells(row, now))
    errors = ((row.name, _error(row)) for row in rows)
    summary = _summary(rows, members.host)
    return Sheet(table, summary, errors=errors, noun="member", hint="a taller terminal")


def _cells(row: MemberInfo, now: float) -> list[Text]:
    style = _STYLES.get(row.state, "")
    return [
        Text(plain(row.name), style if row.state == "down" else "bold"),
        Text(plain(row.address)),
        Text(plain(row.state, 16), style),
        Text("-" if row.since is None else human_span(now - row.since)),
        Text("-" if row.rtt is None else f"{1000 * row.rtt:.1f} ms"),
        Text("-" if row.version is None else str(row.version)),
        Text(tags_text(row.tags), "cyan"),
    ]


def _error(row: MemberInfo) -> str:
    return row.error.removeprefix("down: ")  # the state says so already


def _summary(rows: Sequence[MemberInfo], host: str) -> str:
    states = [row.state for row in rows]
    parts = [counted(len(states), "member")]
    parts += [f"{states.count(state)} {state}" for state in ("down", "left") if state in states]
    return f"{', '.join(parts)} · as seen by {plain(host)}"


def _print_json(document: object) -> None:
    text = msgspec.json.format(msgspec.json.encode(document), indent=2)
    sys.stdout.write(text.decode() + "\n")


COMMAND = Command(
    "members", "list the members of a cluster, or compare all views", _add_flags, _run
)
