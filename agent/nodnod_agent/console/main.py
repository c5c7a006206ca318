"""The ``nodnod`` command: dispatches to subcommands and maps their errors to exit statuses."""

import contextlib
import io
import os
import sys
from argparse import RawDescriptionHelpFormatter
from collections.abc import Sequence

from nodnod_agent.console import (
    alerts,
    check,
    completion,
    demo,
    events,
    glyphs,
    members,
    secret,
    silence,
    stat,
    tls,
    tokens,
)
from nodnod_agent.console.command import Command, Parser, Status
from nodnod_agent.console.credentials import CredentialsError, misspelt_variables
from nodnod_agent.console.doctor import command as doctor
from nodnod_agent.console.output import print_error, print_line
from nodnod_agent.console.top import command as top
from nodnod_agent.console.verdict import Severity
from nodnod_agent.log import descriptors
from nodnod_client import __version__
from nodnod_client.errors import AddressError, NodNodError, StatFailedError

COMMANDS: tuple[Command, ...] = (
    stat.COMMAND,
    top.COMMAND,
    members.COMMAND,
    events.COMMAND,
    alerts.COMMAND,
    silence.COMMAND,
    check.COMMAND,
    doctor.COMMAND,
    secret.COMMAND,
    tokens.COMMAND,
    tls.COMMAND,
    demo.COMMAND,
    completion.COMMAND,
)

# The first row that matches an error counts.
_STATUSES = (
    (AddressError, Status.USAGE),
    (CredentialsError, Status.USAGE),
    (StatFailedError, Status.NODE_ERROR),
    (NodNodError, Status.UNREACHABLE),
)

_EPILOG = """\
exit status:
  0  success
  1  a node reported an error, or views differ
  2  wrong usage
  3  no answer: cannot connect, timed out, or stdout cannot be written
(nodnod check: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN;
nodnod doctor: 0 fine, 1 remarks, 2 faults, 3 no answer or wrong usage)
"""

INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``nodnod`` with these arguments (default: sys.argv); return the exit status."""
    descriptors.open_standard_streams()
    _replace_unencodable()
    given = sys.argv[1:] if argv is None else argv
    command = next((one for one in COMMANDS if one.name in given[:1]), None)
    try:
        status = _run(given, command)
        sys.stdout.flush()
    except NodNodError as error:
        print_error(str(error))
        status = next(status for kind, status in _STATUSES if isinstance(error, kind))
        if status is Status.USAGE and command is not None:
            status = command.usage_status
    except KeyboardInterrupt:
        status = INTERRUPTED
    except OSError as error:
        if not descriptors.is_not_writable(error):
            raise
        status = _not_written(error, command)
    for stream in (sys.stdout, sys.stderr):
        descriptors.drop_unwritten(stream)
    return status


def _not_written(error: OSError, command: Command | None) -> int:
    """Say on stderr that nobody can read the result; return the status that says so too."""
    judges = command is not None and command.usage_status == Severity.UNKNOWN
    if descriptors.is_gone(error) and not judges:
        return Status.OK
    if command is not None and command.plugin:
        print_line(check.unknown(descriptors.unwritten(error)))
    else:
        print_error(descriptors.unwritten(error))
    return Severity.UNKNOWN if judges else Status.UNREACHABLE


def _run(given: Sequence[str], command: Command | None) -> int:
    if not given:
        sys.stdout.write(_commands())
        return Status.USAGE
    complaint = io.StringIO()
    plugin = command is not None and command.plugin
    try:
        with contextlib.redirect_stderr(complaint) if plugin else contextlib.nullcontext():
            args = _parser().parse_args(given)
    except CredentialsError as error:  # in a variable, which argparse would call a flag
        if plugin:
            sys.stdout.write(check.unknown(str(error)))
        else:
            print_error(str(error))
        return Status.USAGE if command is None else command.usage_status
    except SystemExit as stop:  # argparse has printed the reason
        if complaint.getvalue():
            sys.stdout.write(check.unknown(complaint.getvalue().strip()))
        usage_status = Status.USAGE if command is None else command.usage_status
        return usage_status if stop.code else Status.OK
    if "server" in args:
        for line in misspelt_variables(os.environ):
            print_error(f"warning: {line}")
    status: int = args.run(args)
    return status


def _commands() -> str:
    """Return the commands, a line for each."""
    width = max(len(command.name) for command in COMMANDS)
    lines = [f"  {command.name:{width}}  {command.help}" for command in COMMANDS]
    return "\n".join(
        ["nodnod COMMAND", "", *lines, "", "nodnod COMMAND --help has every flag.", ""]
    )


def _parser() -> Parser:
    parser = Parser(
        prog="nodnod",
        description="Live stats of a cluster, from any of its nodes.",
        epilog=_EPILOG,
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"nodnod {__version__}")
    parser.set_defaults(parser=parser)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        sub = commands.add_parser(
            command.name, help=command.help, description=command.help, allow_abbrev=False
        )
        command.add_flags(sub)
        sub.set_defaults(run=command.run)
    return parser


def _replace_unencodable() -> None:
    """Print ASCII forms, or question marks, of what the terminal cannot encode."""
    glyphs.register()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=glyphs.REPLACE)


if __name__ == "__main__":
    sys.exit(main())
