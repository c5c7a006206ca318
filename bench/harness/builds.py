"""Builds of the agent that one benchmark measures side by side."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from bench.harness.agents import PYTHON


class Build(NamedTuple):
    """A build of the agent: its name in the tables, and the command of its Python."""

    name: str
    python: Sequence[str]


THIS_BUILD = Build("today", PYTHON)
"""The build that the benchmark belongs to."""


def add_against(parser: argparse.ArgumentParser) -> None:
    """Add the flag that names older builds."""
    parser.add_argument(
        "--against",
        type=older,
        action="append",
        default=[],
        metavar="PATH",
        help="virtual environment of an older build, which is measured too; may be repeated",
    )


def older(path: str) -> Build:
    """The build in a virtual environment."""
    folder = Path(path).absolute() / "bin"
    if not (folder / "nodnod-agent").exists():
        raise argparse.ArgumentTypeError(f"there is no bin/nodnod-agent in {path}")
    return Build(path, (str(folder / "python"), *PYTHON[1:]))
