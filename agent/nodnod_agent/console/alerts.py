"""``nodnod alerts``: the alerts of a cluster, once or again and again."""

import asyncio
import time
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Iterable
from functools import partial

import msgspec
from rich.text import Text

from nodnod_agent.console.command import (
    Command,
    add_every,
    add_names,
    add_nodes,
    add_server,
    add_timeout,
    nodes_of,
)
from nodnod_agent.console.configuration import DEFAULT_CONFIG
from nodnod_agent.console.credentials import client_factory
from nodnod_agent.console.output import Output, TextOutput, print_error, table
from nodnod_agent.console.sheet import Sheet
from nodnod_agent.console.table import headed_table
from nodnod_agent.console.units import counted, human_span, plain
from nodnod_agent.console.verdict import Severity
from nodnod_agent.console.watching import repeated, watch
from nodnod_client.alerts import AlertInfo, Alerts
from nodnod_client.client import Client
from nodnod_client.errors import NodNodError

DEFAULT_TIMEOUT = 10.0

TEST = "test"
"""In the place of a node: test the channels."""

_OF_AN_AGENT = ("server", "token", "ca", "cert", "key", "nodes", "json", "every", "timeout")
"""What has no effect on a test of the channels, which asks no agent."""

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
    add_nodes(parser)
    add_names(
        parser,
        ". The word test: send a test message over each channel of a configuration, from this machine, "
        "and say what each answered",
    )
    parser.add_argument(
        "--config",
        metavar="PATH",
        help=f"with test: configuration of the agent (default: NODNOD_CONFIG, else {DEFAULT_CONFIG})",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    add_every(parser)
    add_timeout(parser, DEFAULT_TIMEOUT)
    parser.set_defaults(usual=parser.get_default)


def _run(args: Namespace) -> int:
    """Print the alerts; the status is the worst of those that fire (of the last answer)."""
    tests = args.names[:1] == [TEST]
    if tests and len(args.names) == 1:
        idle = [f"--{name}" for name in _OF_AN_AGENT if getattr(args, name) != args.usual(name)]
        if idle:
            print_error(f"alerts test asks no agent: {', '.join(idle)} would do nothing")
            return Severity.UNKNOWN
        from nodnod_agent.console.alert_test import send_test  # only here: it takes 0.1 s to load

        return send_test(args.config)
    if tests or args.config is not None:
        print_error("--config is for: nodnod alerts test [--config PATH]")
        return Severity.UNKNOWN
    try:
        client = client_factory(args)(args.server, timeout=args.timeout)
        nodes = nodes_of(args)
        if args.every is not None:
            stream = partial(client.stream_alerts, nodes=nodes, every=args.every, reconnect=False)
            answers = repeated(client, args.every, stream)
            output = partial(_output, repeated=True, as_json=args.json)
            told = watch(client, answers, output, lambda a: status(a.alerts), Severity.UNKNOWN)
            return asyncio.run(told)
        answer = asyncio.run(_ask(client, nodes))
    except NodNodError as error:
        print_error(str(error))
        return Severity.UNKNOWN
    once = _output(repeated=False, as_json=args.json)
    once.show(answer)
    once.close()
    return status(answer.alerts)


async def _ask(client: Client, nodes: list[str] | None) -> Alerts:
    async with client:
        return await client.alerts(nodes=nodes)


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


def alerts_view(answer: Alerts, *, width: int, when: str = "") -> Sheet:
    """Show one row per alert in the agent's order: what fires, then what is over.

    ``when`` is shown as the time of the answer. The table fits any ``width`` by itself.
    """
    now = time.time()
    table = headed_table()
    table.column("Alert")
    table.column("For", right=True, leave=3)
    table.column("Node", least=8)
    table.column("Rule", least=8)
    table.column("What", leave=2, prose=True)
    table.column("Told", least=12, leave=1)
    for one in answer.alerts:
        table.add_row(*_cells(one, now))
    parts = [counts(answer.alerts) or "no alert fires", f"as seen by {plain(answer.host)}"]
    summary = " · ".join([*parts, when] if when else parts)
    return Sheet(table, summary, noun="alert", hint="name some nodes, or a taller terminal")


def _cells(alert: AlertInfo, now: float) -> list[Text]:
    loud = alert.firing and not alert.silenced
    word = plain(alert.severity, 16) if alert.firing else "over"
    if alert.firing and alert.silenced:
        word += ", silenced"
    rule = f"{alert.rule} {alert.object}" if alert.object else alert.rule
    return [
        Text(word, _STYLES.get(alert.severity, "") if loud else "dim"),
        Text(human_span(now - alert.since)),
        Text(plain(alert.node), "bold" if loud else ""),
        Text(plain(rule)),
        Text(plain(alert.text), "" if loud else "dim"),
        Text(plain(", ".join(alert.told))),
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
