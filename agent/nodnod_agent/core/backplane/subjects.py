"""The subjects of a backplane: what is sent where, and by whom.

Each subject ends with the name and the instance of its sender, so that the permissions of a bus can
keep a node from speaking as another::

    nodnod.CLUSTER.word.NAME.INSTANCE                   that it is there; to all that are awake
    nodnod.CLUSTER.sample.NAME.INSTANCE                 its newest numbers; to all that show them
    nodnod.CLUSTER.all.NAME.INSTANCE                    a call to all agents
    nodnod.CLUSTER.tell.NAME.INSTANCE.NAME.INSTANCE     a word to one that has called, which comes first
    nodnod.CLUSTER.ask.NAME.INSTANCE.NAME.INSTANCE      a request to one
    nodnod.CLUSTER.answer.NAME.INSTANCE.NAME.INSTANCE   the answer to one
"""

import re
from typing import NamedTuple

from nodnod_client.printable import replace_unprintable

PREFIX = "nodnod"

WORD, SAMPLE, ALL, TELL, ASK, ANSWER = "word", "sample", "all", "tell", "ask", "answer"

_PLAIN = re.compile(rb"[^A-Za-z0-9_-]")
_TOKEN = re.compile(r"(?:[A-Za-z0-9_-]|=[0-9A-F]{2})+")


class Sender(NamedTuple):
    """A process of a node, as its subjects name it."""

    name: str
    instance: str


class Subjects:
    """The subjects of one process in one cluster."""

    def __init__(self, cluster: str, own: Sender) -> None:
        self._root = f"{PREFIX}.{cluster}"
        self._own = _tokens(own)
        self.word = self._of(WORD)
        self.sample = self._of(SAMPLE)
        self.all = self._of(ALL)
        self.words = f"{self._root}.{WORD}.>"
        self.samples = f"{self._root}.{SAMPLE}.>"
        self.own = (
            f"{self._root}.{ALL}.>",
            f"{self._root}.{TELL}.{self._own}.>",
            f"{self._root}.{ASK}.{self._own}.>",
            f"{self._root}.{ANSWER}.{self._own}.>",
        )
        """What every process subscribes to."""

    def to(self, kind: str, to: Sender) -> str:
        """The subject of a message to one process."""
        return f"{self._root}.{kind}.{_tokens(to)}.{self._own}"

    def parse(self, subject: str) -> tuple[str, Sender]:
        """What a message is, and who has sent it. Raises ValueError."""
        root, _, rest = subject[len(self._root) :].partition(".")
        kind, *tokens = rest.split(".")
        if root or not subject.startswith(self._root) or len(tokens) not in (2, 4):
            raise ValueError(
                f"subject {replace_unprintable(subject[:200])} is none of this cluster"
            )
        return kind, Sender(name_of(tokens[-2]), name_of(tokens[-1]))

    def _of(self, kind: str) -> str:
        return f"{self._root}.{kind}.{self._own}"


def token(name: str) -> str:
    """A name as one token: all but letters, digits, ``-`` and ``_`` as the hexadecimal bytes ``=XX``."""
    return _PLAIN.sub(lambda found: b"=%02X" % found[0][0], name.encode()).decode()


def name_of(text: str) -> str:
    """The name of a token. Raises ValueError if it is none."""
    if not _TOKEN.fullmatch(text):
        raise ValueError(f"{replace_unprintable(text[:200])} is no name")
    raw = re.sub(r"=(..)", lambda found: chr(int(found[1], 16)), text).encode("latin-1")
    return raw.decode()  # UnicodeDecodeError is a ValueError


def _tokens(one: Sender) -> str:
    return f"{token(one.name)}.{token(one.instance)}"
