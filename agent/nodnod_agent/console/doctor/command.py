"""``nodnod doctor``: what is wrong with an agent and its cluster, and what to do."""

import asyncio
import ssl
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from functools import partial

import msgspec
from rich.text import Text

from nodnod_agent.console.command import Command, add_server, add_timeout
from nodnod_agent.console.credentials import client_factory
from nodnod_agent.console.doctor.findings import Finding, Level, worst
from nodnod_agent.console.output import console
from nodnod_agent.console.units import counted, plain
from nodnod_client.tls import client_context

DEFAULT_TIMEOUT = 5.0

NO_ANSWER = 3

_STYLES = {Level.OK: "green", Level.REMARK: "yellow", Level.FAULT: "bold red"}

_EPILOG = """\
exit status:
  0  all is fine
  1  something should be mended
  2  something does not work
  3  no answer, or wrong usage
"""


def _add_flags(parser: ArgumentParser) -> None:
    parser.formatter_class = RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    add_server(parser)
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    add_timeout(parser, DEFAULT_TIMEOUT, "give up on an agent")


def _run(args: Namespace) -> int:
    # Only here: the other commands start faster without.
    from nodnod_agent.console.doctor.checks import judge
    from nodnod_agent.console.doctor.gathering import gather
    from nodnod_agent.console.doctor.local import look

    factory = client_factory(args)
    dial = partial(factory, timeout=args.timeout)
    client = dial(args.server)
    # Members list bare addresses; all agents of a cluster use TLS, or none.
    form = "wss://{}/" if client.url.startswith("wss://") else "{}"
    ca = factory.keywords["ca"]
    trust = ca if isinstance(ca, ssl.SSLContext) else client_context(ca)
    found = asyncio.run(
        gather(client, lambda address: dial(form.format(address)), trust, token=bool(args.token))
    )
    findings = judge(found, look(found.server))
    if args.json:
        rows = [
            {**msgspec.structs.asdict(one), "level": one.level.name.lower()} for one in findings
        ]
        document = {"server": str(found.server), "findings": rows}
        text = msgspec.json.format(msgspec.json.encode(document), indent=2)
        sys.stdout.write(text.decode() + "\n")
    else:
        _print(findings)
    return NO_ANSWER if found.failure else worst(findings)


def _print(findings: list[Finding]) -> None:
    screen = console()
    for one in findings:
        level = Text(f"{one.level.name:8}", _STYLES[one.level])
        screen.print(Text.assemble(level, f"{one.check:14}", plain(one.text, 2000)), soft_wrap=True)
        if one.todo:
            screen.print(Text(f"{'':22}→ {plain(one.todo, 2000)}"), soft_wrap=True)
    faults, remarks = (
        sum(one.level is level for one in findings) for level in (Level.FAULT, Level.REMARK)
    )
    parts = [
        counted(number, noun) for number, noun in ((faults, "fault"), (remarks, "remark")) if number
    ]
    screen.print(Text(", ".join(parts) or "all is fine"), soft_wrap=True)


COMMAND = Command(
    "doctor",
    "find what is wrong with an agent and its cluster, and what to do",
    _add_flags,
    _run,
    usage_status=NO_ANSWER,
)
