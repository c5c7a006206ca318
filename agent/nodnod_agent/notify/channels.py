"""All channels of an agent, and its heartbeat: read from where the settings point."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from nodnod_agent.auth.secrets import read_text
from nodnod_agent.config.settings import Settings
from nodnod_agent.config.validators import ConfigError, Faults
from nodnod_agent.core.alerts.alerts import ChannelIds
from nodnod_agent.core.alerts.message import Message
from nodnod_agent.notify.alertmanager import Alertmanager
from nodnod_agent.notify.apprise_channel import Apprise, is_installed
from nodnod_agent.notify.channel import Channel
from nodnod_agent.notify.http_request import Trust
from nodnod_agent.notify.outgoing import Done
from nodnod_agent.notify.urls import ChannelUrl, UrlError, parse_channel, parse_heartbeat
from nodnod_agent.notify.webhook import Heartbeat, Webhook


class ChannelUrls(Struct, frozen=True):
    """The URLs as they have been read."""

    channels: tuple[ChannelUrl, ...] = ()
    heartbeat: ChannelUrl | None = None


def read_urls(settings: Settings, environment: Mapping[str, str]) -> ChannelUrls:
    """Read all URLs. Raises ConfigError, which says which one is at fault, and shows none."""
    channels = _read_channels(settings.alerts_notify, environment)
    reference = settings.alerts_heartbeat
    if reference is None:
        return ChannelUrls(channels)
    return ChannelUrls(channels, _read(reference, "alerts.heartbeat", environment, parse_heartbeat))


class Channels:
    """The channels by their ids. ``use`` what has been read before anything else, and on SIGHUP."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, wall: Callable[[], float] = time.time
    ) -> None:
        self._loop = loop
        self._wall = wall
        self._trust = Trust()
        self._channels: dict[str, Channel] = {}
        self.heartbeat: Heartbeat | None = None

    @property
    def all(self) -> Sequence[Channel]:
        """The channels, in the order of the settings."""
        return tuple(self._channels.values())

    @property
    def ids(self) -> ChannelIds:
        """What the core is told of these channels."""
        alertmanagers = tuple(one.id for one in self.all if one.kind == "alertmanager")
        people = tuple(one.id for one in self.all if one.kind != "alertmanager")
        return ChannelIds(people, alertmanagers, self.heartbeat.id if self.heartbeat else None)

    def use(self, urls: ChannelUrls) -> None:
        """Have these channels from now on; one that stays keeps what is under way."""
        self._trust.renew()
        self._channels = {
            url.id: self._channels.get(url.id) or self._open(url) for url in urls.channels
        }
        if urls.heartbeat is None:
            self.heartbeat = None
        elif self.heartbeat is None or self.heartbeat.id != urls.heartbeat.id:
            self.heartbeat = Heartbeat(urls.heartbeat, self._trust, self._loop)

    def notify(self, channel: str, message: Message, done: Done) -> None:
        """Send a message over the channel with this id; see ``Channel.send``."""
        found = self._channels.get(channel)
        if found is None:
            self._loop.call_soon(done, False, "this agent has no such channel any more")
        else:
            found.send(message, done)

    def beat(self, done: Done) -> None:
        """Give the sign of life; ``done`` as for a channel."""
        if self.heartbeat is None:
            self._loop.call_soon(done, False, "this agent has no heartbeat any more")
        else:
            self.heartbeat.send(done)

    def _open(self, url: ChannelUrl) -> Channel:
        if url.kind == "webhook":
            return Webhook(url, self._trust, self._loop)
        if url.kind == "alertmanager":
            return Alertmanager(url, self._trust, self._loop, self._wall)
        return Apprise(url, self._loop)


def _read_channels(
    references: Sequence[str], environment: Mapping[str, str]
) -> tuple[ChannelUrl, ...]:
    found: dict[str, ChannelUrl] = {}
    faults = Faults()
    for index, reference in enumerate(references):
        place = f"alerts.notify[{index}]"
        with faults:
            url = _read(reference, place, environment, parse_channel)
            if url.id in found:
                raise ConfigError(f"{place}: the same URL as [{list(found).index(url.id)}]")
            if url.kind == "apprise" and not is_installed():
                what = f"{url.label} needs Apprise: pip install 'nodnod-agent[notify]'"
                if url.label.startswith("http"):
                    what += "; for a webhook of your own, begin it with webhook+"
                raise ConfigError(f"{place}: {what}")
            found[url.id] = url
    faults.check()
    return tuple(found.values())


def _read(
    reference: str,
    place: str,
    environment: Mapping[str, str],
    parse: Callable[[str], ChannelUrl],
) -> ChannelUrl:
    text = read_text(reference, place, environment).decode(errors="replace")
    try:
        return parse(text)
    except UrlError as error:
        raise ConfigError(f"{place}: {error}") from None
