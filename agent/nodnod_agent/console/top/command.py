"""``nodnod top``: the live cluster on a whole terminal."""

import asyncio
import os
import signal
import sys
import threading
from argparse import ArgumentParser, Namespace
from collections.abc import Callable

from nodnod_agent.console.command import Command, Status, add_server, number
from nodnod_agent.console.credentials import dials
from nodnod_agent.console.output import complain
from nodnod_agent.console.stat_request import StatRequest
from nodnod_client.client import Client

TIMEOUT = 10.0

PATIENCE = 2.0
"""Seconds in which the terminal has to be left once a signal has come."""


def add_flags(parser: ArgumentParser) -> None:
    """Declare the flags."""
    add_server(parser)
    parser.add_argument(
        "--nodes",
        metavar="PATTERN",
        nargs="+",
        help="only nodes of these names; * and ? and [ab] are wildcards",
    )
    parser.add_argument(
        "--every",
        metavar="SECONDS",
        type=number(float, 0.25, 3600),
        default=1.0,
        help="how often to have news (default: 1)",
    )


def run(args: Namespace) -> int:
    """Run the command."""
    try:
        # For this command only, and an extra: most machines that run an agent need none of it.
        import textual  # noqa: F401
    except ModuleNotFoundError:
        complain("top needs Textual: pip install textual; or try: nodnod stat --watch 1")
        return Status.USAGE
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        complain("top needs a terminal; for a file or a pipe there is: nodnod stat --watch 1")
        return Status.USAGE
    client = dials(args)(args.server, timeout=TIMEOUT)
    return asyncio.run(_show(client, StatRequest(nodes=args.nodes), args.every))


async def _show(client: Client, question: StatRequest, every: float) -> int:
    """Show it until somebody has seen enough. Raises what the agent refuses with."""
    from nodnod_agent.console.top.app import Viewer

    async with client:  # a first failure is an error, later ones are part of what is watched
        viewer = Viewer(client, question, every)
        _mind_signals(viewer.exit)
        error = await viewer.run_async()
    if error is not None:
        raise error
    return Status.FINE


def _mind_signals(leave: Callable[[], None]) -> None:
    """Leave the terminal as it was, whoever ends us."""

    def end(number: int) -> None:
        leave()
        # A terminal that is gone takes nothing any more, and Textual would wait for it for ever.
        timer = threading.Timer(PATIENCE, os._exit, (128 + number,))
        timer.daemon = True
        timer.start()

    loop = asyncio.get_running_loop()
    for one in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(one, end, one)


COMMAND = Command("top", "watch a cluster live on the whole terminal", add_flags, run)
