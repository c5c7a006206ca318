"""One address of the cluster: the node behind it, and what stands for that node in an answer."""

import logging
from enum import Enum

from nodnod_agent.core.encoding import error_node, peer_node
from nodnod_agent.core.membership.link import Link
from nodnod_agent.core.question import Question
from nodnod_client.address import Address
from nodnod_client.codec import encode
from nodnod_client.messages import MemberInfo, PeerAnswer

LOOKING_UP = "looking up the name"
NOT_CONNECTED = "not connected yet"
NO_BACKPLANE = "no backplane"
"""How the reason begins for which all nodes on a backplane are down at once."""

log = logging.getLogger("nodnod")


class MemberState(Enum):
    """What an address is for the answers. Whether its node is up is the link's state.

    ================================================ =============== ========================
    event                                            state before    next state
    ================================================ =============== ========================
    configured, or others tell of it                 none            LISTED
    answers                                          any             LISTED
    answers, and the same process is up elsewhere    any             ALIAS
    others tell that a node is there that is up      LISTED, ALIAS   ALIAS
    elsewhere
    others tell that another node is there           LISTED, ALIAS   LISTED
    others tell that a node of our name is there     LISTED, ALIAS   LEFT
    its node answers at another address              LISTED          ALIAS
    the node that it is an alias of has gone         ALIAS           LISTED; if unverified and
                                                                     a namesake is up, ALIAS
    its process says goodbye, or has moved           LISTED, ALIAS   LEFT
    others tell of a new process there               LEFT            LISTED or ALIAS
    no longer configured, or down for a day          any             REMOVED
    ================================================ =============== ========================
    """

    LISTED = "listed"
    """It stands for its node in answers, up or down."""
    ALIAS = "alias"
    """It is another address of the node ``alias_of``, which is listed."""
    LEFT = "left"
    """It is not missed, and not listed until a node answers there; ``alias_of`` may be set."""
    REMOVED = "removed"


class Member:
    """One address of the cluster and the node behind it, as far as it is known."""

    __slots__ = (
        "_answer",
        "_answer_terms",
        "_entry",
        "_failures",
        "address",
        "alias_of",
        "changed_at",
        "configured",
        "error",
        "instance",
        "is_cut_off",
        "key",
        "link",
        "listed",
        "loss_logged",
        "name",
        "named_at",
        "since",
        "state",
        "trusted",
        "verified_as",
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
        self.state = MemberState.LISTED
        self.alias_of: Member | None = None
        self.trusted = configured
        """Whether a node has ever answered here, or the address is configured."""
        self.verified_as = ("", "")
        """The name and the instance of the node that last answered here."""
        self.since = self.changed_at = 0.0
        """When it last came up or went down: in Unix seconds, and on the core's clock, which does
        not jump when the wall clock is set."""
        self.named_at = 0.0
        """When a node first answered here under the present name, on the core's clock."""
        self.loss_logged = False
        self.is_cut_off = False
        """Whether it is down as all others are: one line in the log tells of them."""
        self.listed = str(address)
        self.key = b""
        self._answer: PeerAnswer | None = None
        self._answer_terms: tuple[object, ...] = ()
        self._entry = b""
        self._failures: dict[tuple[str, int], bytes] = {}

    @property
    def up(self) -> bool:
        """Whether it can be asked."""
        return self.link is not None and self.link.up

    @property
    def left(self) -> bool:
        """Whether no node is expected here."""
        return self.state in (MemberState.LEFT, MemberState.REMOVED)

    @property
    def verified(self) -> bool:
        """Whether the node has answered us here: of an unverified one we only know from others."""
        return self.verified_as == (self.name, self.instance)

    @property
    def log_key(self) -> dict[str, str]:
        """The rate limit key of its log lines, so that each member has a limit of its own."""
        return {"key": str(self.address)}

    @property
    def reachable(self) -> bool:
        """Whether its process can be asked, here or at another address."""
        same = self.alias_of
        return self.up or (same is not None and same.up and same.instance == self.instance)

    def log_loss(self, reason: str, *, was_up: bool) -> None:
        """Log once that it is down, until it is back or gone."""
        self.is_cut_off = reason.startswith(NO_BACKPLANE)
        if self.is_cut_off or self.loss_logged or self.left or self.alias_of is not None:
            return
        self.loss_logged = True
        if was_up:
            text = "Lost connection with node: %s. Reason: %s"
            log.warning(text, self, reason, extra=self.log_key)
        else:
            text = "Could not connect to node: %s. Error: %s"
            log.warning(text, self.address, reason, extra=self.log_key)

    def log_namesake(self) -> None:
        """Log that it is listed under another name than its own, which is taken."""
        if self.name and self.listed != self.name:
            text = "Two nodes have the name %s: the one at %s is listed as %s"
            log.warning(text, self.name, self.address, self.listed, extra=self.log_key)

    def failure(self, error: str, stat_type: int) -> bytes:
        """The node object that stands for it while it cannot be read."""
        entry = self._failures.get((error, stat_type))
        if entry is None:
            if len(self._failures) > 16:
                self._failures.clear()
            entry = self._failures[error, stat_type] = error_node(self.listed, error, stat_type)
        return entry

    def entry(self, answer: PeerAnswer, question: Question) -> bytes:
        """Its node object in its answer, see peer_node; what the link remembers is checked once."""
        terms = (question, self.name, self.listed, self.version)
        if answer is self._answer and terms == self._answer_terms:
            return self._entry
        entry = peer_node(
            answer, question, name=self.name, listed=self.listed, version=self.version
        )
        if self.link is not None and answer is self.link.last_answer:
            self._answer, self._answer_terms, self._entry = answer, terms, entry
        return entry

    def list_as(self, name: str) -> None:
        """Take the name under which it stands in answers."""
        self.listed = name
        self.key = encode(name) + b":"
        self._failures.clear()

    def info(self, tags: dict[str, str]) -> MemberInfo:
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
            tags=tags,
        )

    def __str__(self) -> str:
        return f"[{self.name or self.address} : {self.address}]"
