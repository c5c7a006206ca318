"""A client that goes on with another member of the cluster when its agent is gone."""

from urllib.parse import urlsplit

from nodnod_agent.console.credentials import CommandClient
from nodnod_agent.console.units import counted
from nodnod_agent.net.ip import is_loopback
from nodnod_client.address import parse_address
from nodnod_client.connection import AgentConnection
from nodnod_client.errors import AddressError, ConnectError
from nodnod_client.messages import Members

PATIENCE = 3.0
"""Seconds that one of several agents has to accept a connection."""


class MemberClient(CommandClient):
    """Knows the other members once ``learn`` is called, and dials no others than they advertise.

    The credentials are the same for all of them; over TLS each must have a certificate for its address.
    """

    _home = ""
    """The URL that the user gave."""

    _up: tuple[str, ...] = ()
    _others: tuple[str, ...] = ()
    """The URLs of members that were up, and of those that were not."""

    def learn(self, members: Members) -> None:
        """Take the members, as the connected agent knows them."""
        others = [
            (self._member_url(row.address), row.state == "up")
            for row in members.members
            if row.name != members.host and row.state != "left" and row.version != 1
        ]
        self._up = tuple(url for url, up in others if url and up)
        self._others = tuple(url for url, up in others if url and not up)

    async def _open(self) -> None:
        """Connect to the first that accepts: others that were up, the one just lost, all others."""
        lost, self._home = self._url, self._home or self._url
        if not (self._up or self._others):
            return await super()._open()
        failures: dict[str, ConnectError] = {}
        shuffled = self._random.sample(self._up, len(self._up))
        for url in dict.fromkeys((*shuffled, lost, self._home, *self._others)):
            try:
                self._connection = await AgentConnection.open(
                    url, min(PATIENCE, self.timeout), token=self._token, tls=self._tls
                )
            except ConnectError as error:
                failures[url] = error
            else:
                self._url = url
                return None
        failure = failures.pop(lost)
        hint = f"; no answer from {counted(len(failures), 'other member')}" if failures else ""
        raise ConnectError(f"{failure}{hint}", failure.status)

    def _member_url(self, address: str) -> str:
        """The URL of a member; "" if it cannot be dialed from here."""
        try:
            parsed = parse_address(address)
        except AddressError:
            return ""
        here = urlsplit(self.url)
        if not parsed.dialable or (
            is_loopback(parsed.host) and not is_loopback(here.hostname or "")
        ):
            return ""  # the loopback address of another machine would lead to this one
        return parsed.url.replace("ws", here.scheme, 1)
