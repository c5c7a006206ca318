"""``nodnod alerts``: the alerts of a cluster, once or again and again."""

import asyncio
import time
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Iterable

import msgspec
from rich.console import Group
from rich.text import Text

from nodnod_agent.console.command import Command, add_seconds, add_server
from nodnod_agent.console.configuration import DEFAULT_CONFIG
from nodnod_agent.console.credentials import client_factory
from nodnod_agent.console.output import Output, TextOutput, print_error, table
from nodnod_agent.console.signals import until_signal
from nodnod_agent.console.stat_request import RETRY_INTERVAL
from nodnod_agent.console.table import headed_table
from nodnod_agent.console.units import counted, human_span, plain
from nodnod_agent.console.verdict import Severity
from nodnod_client.alerts import AlertInfo, Alerts
from nodnod_client.client import Client
from nodnod_client.errors import ConnectError, NodNodError, RequestTimeoutError

DEFAULT_TIMEOUT = 10.0

TEST = "test"
"""In the place of a node: test the channels."""

TOLD_WIDTH = 100
"""Least width in characters of a terminal with a column of those who were told."""

NARROW = 80
"""Below this width an alert and that it is silenced stand in two lines, so that the text has room."""

_STYLES = {"critical": "bold red", "warning": "yellow"}

_EPILOG = """\
exit status:
  0  no alert fires, or each is silenced
  1  a warning fires
  2  a critical alert fires
  3  no answer, or wrong usage
(nodnod alerts test: 0 all sent, 1 a channel failed, 2 nothing to test)
"""


def _add_flags(parser: ArgumentParser) -> None:
    parser.formatter_class = RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    add_server(parser)
    parser.add_argument(
        "nodes",
        metavar="NODE",
        nargs="*",
        help="only about nodes with such names, or tags as tag:role=db; * and ? are wildcards. "
        "The word test: send a test message over each channel of a configuration, from this machine, "
        "and say what each answered",
    )
    parser.add_argument(
        "--config",
        metavar="PATH",
        help=f"with test: configuration of the agent (default: NODNOD_CONFIG, else {DEFAULT_CONFIG})",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    text = "repeat after this many seconds, until Ctrl-C"
    add_seconds(parser, "--watch", 0.25, None, text)
    text = f"give up after this many seconds (default: {DEFAULT_TIMEOUT:g})"
    add_seconds(parser, "--timeout", 0.1, DEFAULT_TIMEOUT, text)


def _run(args: Namespace) -> int:
    """Print the alerts; the status is the worst of those that fire (of the last answer)."""
    tests = args.nodes[:1] == [TEST]
    if tests and len(args.nodes) == 1:
        from nodnod_agent.console.alert_test import send_test  # only here: it takes 0.1 s to load

        return send_test(args.config)
    if tests or args.config is not None:
        print_error("--config is for: nodnod alerts test [--config PATH]")
        return Severity.UNKNOWN
    try:
        client = client_factory(args)(args.server, timeout=args.timeout)
        if args.watch is not None:
            return asyncio.run(_watch(client, args.nodes or None, args.watch, as_json=args.json))
        answer = asyncio.run(_ask(client, args.nodes or None))
    except NodNodError as error:
        print_error(str(error))
        return Severity.UNKNOWN
    output = _output(repeated=False, as_json=args.json)
    output.show(answer)
    output.close()
    return status(answer.alerts)


async def _ask(client: Client, nodes: list[str] | None) -> Alerts:
    async with client:
        return await client.alerts(nodes=nodes)


async def _watch(client: Client, nodes: list[str] | None, every: float, *, as_json: bool) -> int:
    await client.connect()  # only the first failure to connect ends the command
    last = Severity.UNKNOWN
    output = _output(repeated=True, as_json=as_json)

    async def show() -> None:
        nonlocal last
        while True:
            try:
                await client.connect()
                stream = client.stream_alerts(nodes=nodes, every=every, reconnect=False)
                async for answer in stream:
                    output.show(answer)
                    last = status(answer.alerts)
            except (ConnectError, RequestTimeoutError) as error:
                output.error(str(error))
            await asyncio.sleep(min(every, RETRY_INTERVAL))

    try:
        await until_signal(show())
    finally:
        output.close()
        await client.disconnect()
    return last


def status(alerts: Iterable[AlertInfo]) -> Severity:
    """Return the worst severity of the alerts that fire and are not silenced."""
    severities = [one.severity for one in alerts if one.firing and not one.silenced]
    if "critical" in severities:
        return Severity.CRITICAL
    return Severity.WARNING if severities else Severity.OK


def counts(alerts: Iterable[AlertInfo]) -> str:
    """``2 critical, 1 warning, 1 silenced``: the alerts that fire; empty if none does."""
    firing = [one for one in alerts if one.firing]
    loud = [one.severity for one in firing if not one.silenced]
    critical = loud.count("critical")
    parts = [f"{critical} critical"] if critical else []
    if len(loud) > critical:
        parts.append(counted(len(loud) - critical, "warning"))
    if len(firing) > len(loud):
        parts.append(f"{len(firing) - len(loud)} silenced")
    return ", ".join(parts)


def alerts_view(answer: Alerts, *, width: int, when: str = "") -> Group:
    """Show one row per alert in the agent's order: what fires, then what is over.

    ``width`` is that of the terminal, in characters; ``when`` is shown as the time of the answer.
    """
    now, alerts = time.time(), answer.alerts
    told = width >= TOLD_WIDTH and any(one.told for one in alerts)
    rows = headed_table((0, 1, 0, 0))
    rows.add_column("Alert", no_wrap=True)
    rows.add_column("For", justify="right", no_wrap=True)
    rows.add_column("Node", overflow="fold", min_width=8)
    rows.add_column("Rule", overflow="fold", min_width=8)
    rows.add_column("What", overflow="fold")
    if told:
        rows.add_column("Told", overflow="fold")
    for one in alerts:
        rows.add_row(
            *_cells(one, now, narrow=width < NARROW),
            *([Text(plain(", ".join(one.told)))] if told else []),
        )
    parts = [counts(alerts) or "no alert fires", f"as seen by {plain(answer.host)}"]
    summary = Text(" · ".join([*parts, when] if when else parts), "dim")
    return Group(*([rows] if alerts else []), summary)


def _cells(alert: AlertInfo, now: float, *, narrow: bool) -> list[Text]:
    loud = alert.firing and not alert.silenced
    word = plain(alert.severity, 16) if alert.firing else "over"
    if alert.firing and alert.silenced:
        word += ",\nsilenced" if narrow else ", silenced"
    rule = f"{alert.rule} {alert.object}" if alert.object else alert.rule
    return [
        Text(word, _STYLES.get(alert.severity, "") if loud else "dim"),
        Text(human_span(now - alert.since)),
        Text(plain(alert.node), "bold" if loud else ""),
        Text(plain(rule)),
        Text(plain(alert.text), "" if loud else "dim"),
    ]


def _output(*, repeated: bool, as_json: bool) -> Output[Alerts]:
    if as_json:
        return TextOutput(lambda answer, _: _json(answer, indent=0 if repeated else 2))
    return table(repeated, alerts_view)


def _json(answer: Alerts, *, indent: int) -> str:
    document = {"host": answer.host, "alerts": answer.alerts, "error": answer.error}
    text = msgspec.json.encode(document)
    return (msgspec.json.format(text, indent=indent) if indent else text).decode() + "\n"


COMMAND = Command(
    "alerts",
    "show the alerts of a cluster, or test their channels",
    _add_flags,
    _run,
    usage_status=Severity.UNKNOWN,
)
