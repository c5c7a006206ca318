"""``nodnod completion``: a completion script for a shell."""

import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter

from nodnod_agent.console.command import Command, Status

SHELLS = ("bash", "zsh", "fish")

_EPILOG = """\
Save the script where the shell looks for completions:

  bash  nodnod completion bash > ~/.local/share/bash-completion/completions/nodnod
  zsh   nodnod completion zsh > ~/.zfunc/_nodnod    (with fpath+=~/.zfunc before compinit)
  fish  nodnod completion fish > ~/.config/fish/completions/nodnod.fish
"""


def _add_flags(parser: ArgumentParser) -> None:
    parser.add_argument("shell", choices=SHELLS, help="name of the shell")
    parser.formatter_class = RawDescriptionHelpFormatter
    parser.epilog = _EPILOG


def _run(args: Namespace) -> int:
    """Print the script, made from the parser that has read this command line."""
    import shtab  # only here: it would slow down the start of the other commands

    sys.stdout.write(shtab.complete(args.parser, args.shell) + "\n")
    return Status.OK


COMMAND = Command("completion", "print a completion script for a shell", _add_flags, _run)
