"""``nodnod completion``: a script that lets a shell complete ``nodnod``'s words."""

import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter

from nodnod_agent.console.command import Command, Status

SHELLS = ("bash", "zsh", "fish")

_HOW = """\
Put the script where your shell looks for such:

  bash  nodnod completion bash > ~/.local/share/bash-completion/completions/nodnod
  zsh   nodnod completion zsh > ~/.zfunc/_nodnod    (with fpath+=~/.zfunc before compinit)
  fish  nodnod completion fish > ~/.config/fish/completions/nodnod.fish
"""


def add_flags(parser: ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("shell", choices=SHELLS, help="which shell")
    parser.formatter_class = RawDescriptionHelpFormatter
    parser.epilog = _HOW


def run(args: Namespace) -> int:
    """Run the command; made now, from the parser that has read this command line."""
    import shtab  # for this command only: the others start faster without

    sys.stdout.write(shtab.complete(args.parser, args.shell) + "\n")
    return Status.FINE


COMMAND = Command("completion", "print a completion script for a shell", add_flags, run)
