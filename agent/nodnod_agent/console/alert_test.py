"""``nodnod alerts test``: sends a test message over each channel, from this machine."""

import asyncio
import os
import socket
import sys
import time
from collections.abc import Callable
from functools import partial

from nodnod_agent.config.settings import Settings
from nodnod_agent.config.validators import ConfigError
from nodnod_agent.console.command import Status
from nodnod_agent.console.configuration import read_configuration
from nodnod_agent.console.output import print_error
from nodnod_agent.console.units import plain
from nodnod_agent.core.alerts.message import compose_test
from nodnod_agent.notify.channels import Channels, ChannelUrls, read_urls
from nodnod_agent.notify.outgoing import Done


def send_test(config: str | None) -> int:
    """Print a line for each channel of a configuration; the status is 1 if one of them failed."""
    try:
        given = read_configuration(config, os.environ)
    except ConfigError as error:
        print_error(str(error))
        return Status.USAGE
    settings = Settings(**{"name": socket.gethostname(), **given.values})
    try:
        urls = read_urls(settings, os.environ)
    except ConfigError as error:
        print_error(given.at_its_place(str(error)))
        return Status.USAGE
    if not urls.channels and urls.heartbeat is None:
        print_error("no channel found: set alerts.notify in the file, or NODNOD_ALERTS_NOTIFY")
        return Status.USAGE
    all_sent = asyncio.run(_test(settings, urls))
    return Status.OK if all_sent else Status.NODE_ERROR


async def _test(settings: Settings, urls: ChannelUrls) -> bool:
    """Send over all channels at once, print the results in order; gives whether all were sent."""
    loop = asyncio.get_running_loop()
    channels = Channels(loop)
    channels.use(urls)
    address = str(settings.advertise or settings.listen)
    message = compose_test(settings.name, address, time.time())
    sends: list[tuple[str, Callable[[Done], None]]] = [
        (channel.label, partial(channel.send, message)) for channel in channels.all
    ]
    if channels.heartbeat is not None:
        sends.append((channels.heartbeat.label, channels.heartbeat.send))
    results = [loop.create_future() for _ in sends]
    for (_, send), result in zip(sends, results, strict=True):
        send(partial(_set, result))
    all_sent = True
    for (label, _), result in zip(sends, results, strict=True):
        ok, why = await result
        all_sent = all_sent and ok
        sys.stdout.write(plain(f"{label}: {'' if ok else 'FAILED: '}{why}") + "\n")
        sys.stdout.flush()
    return all_sent


def _set(result: asyncio.Future[tuple[bool, str]], ok: bool, why: str) -> None:
    result.set_result((ok, why))
