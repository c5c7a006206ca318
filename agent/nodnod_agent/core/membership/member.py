"""One address of the cluster: the node behind it, and what stands for that node in an answer."""

from nodnod_agent.core.encoding import error_entry, from_peer
from nodnod_agent.core.membership.link import Link
from nodnod_agent.core.question import Question
from nodnod_client.address import Address
from nodnod_client.codec import encode
from nodnod_client.messages import MemberInfo, PeerAnswer

NOT_CONNECTED = "not connected yet"


class Member:
    """One address of the cluster and the node behind it, as far as it is known."""

    __slots__ = (
        "_entry",
        "_failures",
        "_terms",
        "address",
        "alias_of",
        "began",
        "configured",
        "error",
        "instance",
        "key",
        "left",
        "link",
        "listed",
        "met",
        "moment",
        "name",
        "proved",
        "since",
        "version",
    )

    def __init__(self, address: Address, *, configured: bool) -> None:
        self.address = address
        self.configured = configured
        self.link: Link | None = None
        self.name = ""
        self.instance = ""
        self.version = 0
        self.error = NOT_CONNECTED
        self.left = False
        """It said goodbye, or so it seems: it is not missed, and not listed until it comes back."""
        self.proved = configured
        """Whether it has ever answered, or somebody stands for it by having configured it."""
        self.since = self.moment = 0.0
        """When it was last seen to come up or go down: in Unix seconds, and on the core's clock."""
        self.alias_of: Member | None = None
        self.began = 0.0
        """When it was first met there under its name, on the core's clock."""
        self.met = ("", "")
        """The name and the instance with which it has answered last; others say more, or less."""
        self.listed = str(address)
        self.key = b""
        self._terms: tuple[object, ...] = ()
        self._entry = b""
        self._failures: dict[tuple[str, int], bytes] = {}

    @property
    def up(self) -> bool:
        """Whether it can be asked."""
        return self.link is not None and self.link.up

    @property
    def hearsay(self) -> bool:
        """Whether we have never met who is said to be there."""
        return self.met != (self.name, self.instance)

    @property
    def log_key(self) -> dict[str, str]:
        """For its log lines, which are limited by key: many members that go down get one each."""
        return {"key": str(self.address)}

    @property
    def present(self) -> bool:
        """Whether it, or the same process at another address, can be asked."""
        same = self.alias_of
        return self.up or (same is not None and same.up and same.instance == self.instance)

    def changed(self, wall: float, now: float) -> None:
        """Note that it came up or went down just now, in Unix seconds and on the core's clock.

        Both, as the one may jump by years when somebody sets it, and the other says nothing to people.
        """
        self.since, self.moment = wall, now

    def failure(self, error: str, stat_type: int) -> bytes:
        """The node object that stands for it while it cannot be read."""
        entry = self._failures.get((error, stat_type))
        if entry is None:
            if len(self._failures) > 16:
                self._failures.clear()
            entry = self._failures[error, stat_type] = error_entry(self.listed, error, stat_type)
        return entry

    def entry(self, answer: PeerAnswer, question: Question) -> bytes:
        """Its node object in its answer, see from_peer; what it repeats is not checked again."""
        raw = bytes(next(iter(answer.nodes.values()))) if len(answer.nodes) == 1 else b""
        terms = (question, self.name, self.listed, self.version, raw)
        if terms != self._terms:
            self._entry = from_peer(
                answer, question, name=self.name, listed=self.listed, version=self.version
            )
            self._terms = terms
        return self._entry

    def list_as(self, name: str) -> None:
        """Take the name under which it stands in answers."""
        self.listed = name
        self.key = encode(name) + b":"
        self._failures.clear()

    def info(self) -> MemberInfo:
        """Its row of the answer to type 3."""
        wire = self.link.wire if self.link is not None else None
        return MemberInfo(
            name=self.listed,
            address=str(self.address),
            instance=self.instance,
            state="up" if self.up else "down",
            since=self.since or None,
            rtt=wire.rtt if wire is not None else None,
            version=self.version or None,
            error=self.error,
        )

    def __str__(self) -> str:
        return f"[{self.name or self.address} : {self.address}]"
