"""``nodnod silence``: tell people nothing of some alerts for a while."""

import asyncio
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace

import msgspec
from rich.text import Text

from nodnod_agent.console.command import Command, Status, add_server, add_timeout, span
from nodnod_agent.console.credentials import client_factory
from nodnod_agent.console.output import console, layout_width, print_error
from nodnod_agent.console.sheet import Sheet
from nodnod_agent.console.table import headed_table
from nodnod_agent.console.units import counted, local_time, plain
from nodnod_agent.core.alerts.rules import BUILT_IN
from nodnod_agent.core.pattern import matcher
from nodnod_client.alerts import SilenceInfo
from nodnod_client.client import Client
from nodnod_client.errors import NodNodError, StatFailedError
from nodnod_client.messages import MAX_NAME_LENGTH, MAX_SILENCE

DEFAULT_TIMEOUT = 10.0

NARROW = 60
"""Below this width the end of a silence has no year and no seconds."""

ALL = "*"


class UnclearError(NodNodError):
    """What to silence may be a node or a rule, or is neither."""


def _add_flags(parser: ArgumentParser) -> None:
    add_server(parser)
    parser.add_argument(
        "what",
        metavar="NODE|RULE|'*'",
        nargs="?",
        type=_pattern,
        help="what to silence: a node or a rule, whichever has that name; * and ? are wildcards",
    )
    parser.add_argument("--node", metavar="PATTERN", type=_pattern, help="alerts of these nodes")
    parser.add_argument("--rule", metavar="PATTERN", type=_pattern, help="alerts of these rules")
    parser.add_argument(
        "--for",
        dest="seconds",
        metavar="TIME",
        type=_length,
        help="for 90 s, 10m, 2h, 3d (a number alone is seconds), at most 30 days",
    )
    parser.add_argument("--reason", metavar="TEXT", default="", help="why, for the others to read")
    parser.add_argument("--list", action="store_true", help="show the silences that have not ended")
    parser.add_argument("--end", metavar="ID", help="end a silence before its time")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    add_timeout(parser, DEFAULT_TIMEOUT)


def _run(args: Namespace) -> int:
    if fault := _fault(args):
        print_error(f"{fault} (see nodnod silence --help)")
        return Status.USAGE
    client = client_factory(args)(args.server, timeout=args.timeout)
    try:
        return asyncio.run(_do(client, args))
    except UnclearError as error:
        print_error(str(error))
        return Status.USAGE
    except StatFailedError as error:
        if error.code != "forbidden":
            raise
        hint = "make one with `nodnod token --role operate` on a machine that has the secret"
        raise StatFailedError(f"{error}; {hint}", error.code) from None


def _fault(args: Namespace) -> str:
    """Return what is wrong with flags that are valid one by one."""
    begins = any(one is not None for one in (args.what, args.node, args.rule, args.seconds))
    if sum((begins, args.list, args.end is not None)) != 1:
        return "name what to silence, or one of --list and --end"
    if begins and args.seconds is None:
        return "a silence needs an end: --for 2h"
    if begins and args.what is None and args.node is None and args.rule is None:
        return "name what to silence; '*' is everything"
    if args.what is not None and args.node is not None:
        return f"name the node once: {args.what} or --node"
    return ""


async def _do(client: Client, args: Namespace) -> int:
    async with client:
        if args.list:
            silences = await client.silences()
            if args.json:
                _show(silences, as_json=True)
            else:
                screen = console()
                screen.print(silences_view(silences, width=layout_width(screen)))
            return Status.OK
        if args.end is not None:
            silence = await client.end_silence(args.end)
        else:
            node, rule = args.node or args.what or ALL, args.rule or ALL
            if args.what not in (None, ALL) and args.rule is None:
                node, rule = await _node_or_rule(client, args.what)
            silence = await client.silence(
                node, rule=rule, seconds=args.seconds, reason=args.reason
            )
    if args.end is not None:
        sentence = f"Ended: {what(silence)}"
    else:
        sentence = f"Silenced until {local_time(silence.until)}: {what(silence)} ({silence.id})"
    _show(silence if args.json else Text(plain(sentence, 2000)), as_json=args.json)
    return Status.OK


async def _node_or_rule(client: Client, name: str) -> tuple[str, str]:
    """Return the patterns of nodes and rules that a name stands for. Raises UnclearError."""
    members = (await client.members()).members
    alerts = (await client.alerts()).alerts
    matches = matcher((name,))
    is_node = any(matches(one.name) for one in members)
    rules = (*(one["name"] for one in BUILT_IN), *(one.rule for one in alerts))
    is_rule = any(map(matches, rules))
    if is_node and is_rule:
        raise UnclearError(f"{name} is a node and a rule: use --node {name} or --rule {name}")
    if not is_node and not is_rule:
        why = f"no node and no rule is called {name} at present"
        raise UnclearError(f"{why}: use --node {name} or --rule {name} if it will be")
    return (name, ALL) if is_node else (ALL, name)


def what(silence: SilenceInfo) -> str:
    """``filesystem of db-*``: what a silence is about."""
    rule = "all alerts" if silence.rule == ALL else silence.rule
    return f"{rule} of {'all nodes' if silence.node == ALL else silence.node}"


def silences_view(silences: list[SilenceInfo], *, width: int) -> Sheet:
    """Show one row per silence in ``width`` characters."""
    table = headed_table()
    table.column("ID")
    table.column("Until")
    table.column("Node", least=8)
    table.column("Rule", least=8)
    table.column("By", least=6, leave=2)
    table.column("Reason", leave=1, prose=True)
    for one in silences:
        until = local_time(one.until, short=width < NARROW)
        texts = [Text(plain(text)) for text in (one.node, one.rule, one.by, one.reason)]
        table.add_row(Text(plain(one.id), "bold"), until, *texts)
    return Sheet(table, counted(len(silences), "silence"), noun="silence", hint="a taller terminal")


def _show(document: object, *, as_json: bool) -> None:
    if as_json:
        text = msgspec.json.format(msgspec.json.encode(document), indent=2)
        sys.stdout.write(text.decode() + "\n")
    else:
        console().print(document, soft_wrap=isinstance(document, Text))


def _pattern(text: str) -> str:
    if not 1 <= len(text) <= MAX_NAME_LENGTH:
        raise ArgumentTypeError(f"must have 1 to {MAX_NAME_LENGTH} characters")
    return text


def _length(text: str) -> float:
    seconds = span(text)
    if not 1 <= seconds <= MAX_SILENCE:
        raise ArgumentTypeError(f"must be 1 second to 30 days, got {text[:40]!r}")
    return seconds


COMMAND = Command("silence", "tell people nothing of some alerts for a while", _add_flags, _run)
