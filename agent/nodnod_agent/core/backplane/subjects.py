"""The subjects of a backplane: what is sent where, and by whom.

Each subject ends with the name and the instance of its sender, so that the permissions of a bus can
keep a node from speaking as another::

    nodnod.CLUSTER.word.NAME.INSTANCE                   that it is there; to all that are awake
    nodnod.CLUSTER.sample.NAME.INSTANCE                 its newest numbers; to all that show them
    nodnod.CLUSTER.all.NAME.INSTANCE                    a call to all agents
    nodnod.CLUSTER.tell.NAME.INSTANCE.NAME.INSTANCE     a word to one that has called, which comes first
    nodnod.CLUSTER.ask.NAME.INSTANCE.NAME.INSTANCE      a request to one
    nodnod.CLUSTER.answer.NAME.INSTANCE.NAME.INSTANCE   the answer to one

Where a site has a mesh, one of its agents speaks for it::

    nodnod.CLUSTER.beat.SITE.NAME.INSTANCE              that there is a speaker; to the agents of the site
    nodnod.CLUSTER.site.SITE.NAME.INSTANCE              who is there, in the place of their words
    nodnod.CLUSTER.numbers.SITE.NAME.INSTANCE           the newest numbers of them all
"""

import re
from typing import NamedTuple

from nodnod_client.messages import MAX_NAME_LENGTH
from nodnod_client.printable import replace_unprintable

PREFIX = "nodnod"

WORD, SAMPLE, ALL, TELL, ASK, ANSWER = "word", "sample", "all", "tell", "ask", "answer"
BEAT, SITE, NUMBERS = "beat", "site", "numbers"

_TOKENS = {WORD: 2, SAMPLE: 2, ALL: 2, TELL: 4, ASK: 4, ANSWER: 4, BEAT: 3, SITE: 3, NUMBERS: 3}
"""How many follow the kind."""

_PLAIN = re.compile(rb"[^A-Za-z0-9_-]")
_TOKEN = re.compile(r"(?:[A-Za-z0-9_-]|=[0-9A-F]{2})+")


class Sender(NamedTuple):
    """A process of a node, as its subjects name it."""

    name: str
    instance: str


class Origin(NamedTuple):
    """What a message is, who has sent it, and the site for which it speaks."""

    kind: str
    sender: Sender
    site: str = ""


class Subjects:
    """The subjects of one process in one cluster."""

    def __init__(self, cluster: str, own: Sender, site: str = "") -> None:
        """``site`` is one token, and not escaped; empty for a process that speaks only for itself."""
        self._root = f"{PREFIX}.{cluster}"
        self._own = _tokens(own)
        self.word = self._of(WORD)
        self.sample = self._of(SAMPLE)
        self.all = self._of(ALL)
        self.reply = self.to(ANSWER, own)
        self.beat = f"{self._root}.{BEAT}.{site}.{self._own}"
        self.site = f"{self._root}.{SITE}.{site}.{self._own}"
        self.numbers = f"{self._root}.{NUMBERS}.{site}.{self._own}"
        self.words = tuple(f"{self._root}.{kind}.>" for kind in (WORD, SITE))
        """What a process subscribes to while it is awake."""
        self.samples = tuple(f"{self._root}.{kind}.>" for kind in (SAMPLE, NUMBERS))
        """What it subscribes to while it shows the numbers of others."""
        self.told = f"{self._root}.{TELL}.{self._own}.>"
        self.asked = f"{self._root}.{ASK}.{self._own}.>"
        self.own = (
            *((f"{self._root}.{BEAT}.{site}.>",) if site else ()),
            f"{self._root}.{ALL}.>",
            self.told,
            self.asked,
            f"{self._root}.{ANSWER}.{self._own}.>",
        )
        """What every process subscribes to."""

    def to(self, kind: str, to: Sender) -> str:
        """The subject of a message to one process."""
        return f"{self._root}.{kind}.{_tokens(to)}.{self._own}"

    def answer_of(self, other: Sender) -> str:
        """The subject of a message from one process to this one."""
        return f"{self._root}.{ANSWER}.{self._own}.{_tokens(other)}"

    def parse(self, subject: str) -> Origin:
        """Where a message comes from. Raises ValueError."""
        root, _, rest = subject[len(self._root) :].partition(".")
        kind, *tokens = rest.split(".")
        known = not root and subject.startswith(self._root)
        if not known or len(tokens) != _TOKENS.get(kind):
            raise ValueError(
                f"subject {replace_unprintable(subject[:200])} is none of this cluster"
            )
        site = tokens[0] if len(tokens) == _TOKENS[SITE] else ""
        return Origin(kind, Sender(name_of(tokens[-2]), name_of(tokens[-1])), site)

    def _of(self, kind: str) -> str:
        return f"{self._root}.{kind}.{self._own}"


def token(name: str) -> str:
    """A name as one token: all but letters, digits, ``-`` and ``_`` as the hexadecimal bytes ``=XX``."""
    return _PLAIN.sub(lambda found: b"=%02X" % found[0][0], name.encode()).decode()


def name_of(text: str) -> str:
    """The name of a token. Raises ValueError if it is none."""
    name = text if _TOKEN.fullmatch(text) else ""
    if "=" in name:
        raw = re.sub(r"=(..)", lambda found: chr(int(found[1], 16)), text).encode("latin-1")
        name = raw.decode()  # UnicodeDecodeError is a ValueError
    if not name or len(name) > MAX_NAME_LENGTH or not name.isprintable():
        raise ValueError(f"{replace_unprintable(text[:200])} is no name")
    return name


def _tokens(one: Sender) -> str:
    return f"{token(one.name)}.{token(one.instance)}"
