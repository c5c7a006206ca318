"""The links that are up, and the processes they lead to."""

from nodnod_agent.core.membership.link import Link


class Uplinks:
    """In the order in which they came up."""

    def __init__(self) -> None:
        self._links: dict[Link, str] = {}
        """With the instance on the other end."""
        self._instances: set[str] = set()
        self._speakers: list[Link] | None = None

    def __contains__(self, link: Link) -> bool:
        return link in self._links

    def add(self, link: Link, instance: str) -> None:
        """A link has come up."""
        self._links[link] = instance
        self._instances.add(instance)
        self._speakers = None

    def discard(self, link: Link) -> None:
        """A link is up no more, if it was."""
        instance = self._links.pop(link, "")
        if instance not in self._links.values():  # no other address leads to it
            self._instances.discard(instance)
        self._speakers = None

    def all(self) -> list[Link]:
        """All of them."""
        return list(self._links)

    def speaking(self) -> list[Link]:
        """Those over which gossip can go. The same list until one comes up or goes down."""
        if self._speakers is None:
            self._speakers = [
                link for link in self._links if link.hello is not None and link.hello.version >= 2
            ]
        return self._speakers

    def reach(self, instance: str) -> bool:
        """Whether a link leads to this process."""
        return instance in self._instances
