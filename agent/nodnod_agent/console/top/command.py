"""``nodnod top``: the live cluster on a whole terminal."""

import asyncio
import os
import signal
import sys
import threading
from argparse import ArgumentParser, Namespace
from collections.abc import Callable

from nodnod_agent.console.command import (
    Command,
    Status,
    add_names,
    add_nodes,
    add_seconds,
    add_server,
    add_timeout,
    nodes_of,
)
from nodnod_agent.console.credentials import client_factory
from nodnod_agent.console.output import print_error
from nodnod_agent.console.stat_request import StatRequest
from nodnod_agent.console.top.member_client import MemberClient

TIMEOUT = 5.0
"""Seconds after which an agent that is silent counts as lost, if the user does not say."""

EXIT_TIMEOUT = 2.0
"""Seconds from a signal to the exit of the process, whatever the terminal does."""


def _add_flags(parser: ArgumentParser) -> None:
    add_server(parser)
    add_nodes(parser)
    add_names(parser)
    text = "seconds between updates (default: 1)"
    add_seconds(parser, ("--every", "--watch"), 0.25, 1.0, text)
    add_timeout(parser, TIMEOUT, "ask another agent if this one is silent")


def _run(args: Namespace) -> int:
    try:
        import textual  # noqa: F401 - an optional dependency, and only of this command
    except ModuleNotFoundError:
        print_error("top needs Textual: pip install textual; or use: nodnod stat --every 1")
        return Status.USAGE
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        print_error("top needs a terminal; for a file or a pipe use: nodnod stat --every 1")
        return Status.USAGE
    credentials = client_factory(args).keywords
    client = MemberClient(args.server, timeout=args.timeout, **credentials)
    return asyncio.run(_show(client, StatRequest(nodes=nodes_of(args)), args.every))


async def _show(client: MemberClient, request: StatRequest, every: float) -> int:
    """Show the cluster until the user quits. Raises what the agent refuses the request with."""
    from nodnod_agent.console.top.app import Viewer

    async with client:  # only the first failure to connect ends the command
        viewer = Viewer(client, request, every)
        _handle_signals(viewer.exit)
        error = await viewer.run_async()
    if error is not None:
        raise error
    return Status.OK


def _handle_signals(leave: Callable[[], None]) -> None:
    """Restore the terminal before a signal ends the process."""

    def end(number: int) -> None:
        leave()
        # Textual waits without limit for a terminal that has gone and accepts no more output.
        timer = threading.Timer(EXIT_TIMEOUT, os._exit, (128 + number,))
        timer.daemon = True
        timer.start()

    loop = asyncio.get_running_loop()
    for one in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(one, end, one)


COMMAND = Command("top", "watch a cluster live on the whole terminal", _add_flags, _run)
