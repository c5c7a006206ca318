"""The ``nodnod`` command: its subcommands, and what their failures are to a shell."""

import errno
import io
import os
import sys
from argparse import RawDescriptionHelpFormatter
from collections.abc import Sequence

from nodnod_agent.console import check, completion, demo, members, secret, stat, tokens
from nodnod_agent.console.command import Command, Parser, Status
from nodnod_agent.console.credentials import CredentialsError
from nodnod_agent.console.output import complain
from nodnod_agent.console.top import command as top
from nodnod_client import __version__
from nodnod_client.errors import AddressError, NodNodError, StatFailedError

COMMANDS: tuple[Command, ...] = (
    stat.COMMAND,
    top.COMMAND,
    members.COMMAND,
    check.COMMAND,
    secret.COMMAND,
    tokens.COMMAND,
    demo.COMMAND,
    completion.COMMAND,
)

# The first row that fits an error counts.
_STATUSES = (
    (AddressError, Status.USAGE),
    (CredentialsError, Status.USAGE),
    (StatFailedError, Status.ERRING),
    (NodNodError, Status.UNREACHABLE),
)

_EPILOG = """\
exit status:
  0  fine
  1  some node answered with an error, or views differ
  2  wrong usage
  3  no answer: cannot connect, or not in time
(nodnod check: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN)
"""

INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``nodnod`` with these arguments (those of the process by default); gives its status."""
    _admit_any_text()
    try:
        status = _run(argv)
        sys.stdout.flush()
    except NodNodError as error:
        complain(str(error))
        return next(status for kind, status in _STATUSES if isinstance(error, kind))
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.EIO):
            raise
        # The reader has seen enough, or the terminal is gone. What is buffered must not fail once
        # more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Status.FINE
    return status


def _run(argv: Sequence[str] | None) -> int:
    given = sys.argv[1:] if argv is None else argv
    try:
        args = _parser().parse_args(given)
    except SystemExit as stop:  # argparse has said what there is to say
        named = (command.misused for command in COMMANDS if command.name in given[:1])
        return next(named, Status.USAGE) if stop.code else Status.FINE
    status: int = args.run(args)
    return status


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


def _admit_any_text() -> None:
    """Let a terminal without Unicode show question marks: node names are anybody's."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


if __name__ == "__main__":
    sys.exit(main())
