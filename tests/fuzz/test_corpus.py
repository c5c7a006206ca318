"""All that fuzzing has found once, played again; and that a fault would be noticed."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz import codec, corpus
from fuzz.mutator import Mutator, words
from fuzz.targets import TARGETS
from nodnod_agent.core.requests.session import Session
from nodnod_agent.transport.connection import Connection
from nodnod_agent.transport.empty_frames import FrameTracker


def played(name: str) -> list[str]:
    """The inputs with which a target fails, and how."""
    faults = []
    for data in corpus.read_all(name):
        try:
            TARGETS[name](data)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is to be shown
            faults.append(f"{corpus.shown(data)}: {error!r}")
    return faults


@pytest.mark.parametrize("name", TARGETS)
def test_what_was_found_once_does_no_harm_any_more(name: str) -> None:
    assert played(name) == []


@pytest.mark.parametrize("name", TARGETS)
def test_a_corpus_is_small_and_no_input_stands_there_twice(name: str) -> None:
    inputs = corpus.read_all(name)
    assert len(corpus.seeds(name)) > 50
    assert len(inputs) == len(set(inputs))
    assert sum(len(corpus.shown(data)) + 1 for data in corpus.found(name)) <= corpus.ROOM


def test_of_what_is_found_the_shortest_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corpus, "FOLDER", tmp_path)
    monkeypatch.setattr(corpus, "ROOM", 9)
    assert corpus.keep("codec", [b"r{}", b"long", b"\xff", b"r{}"]) == 2
    assert corpus.found("codec") == [b"\xff", b"r{}"]


@given(st.binary())
def test_any_input_can_be_written_in_a_line_and_read_back(data: bytes) -> None:
    line = corpus.shown(data)
    assert line.isprintable()
    assert line.isascii()
    assert not line.startswith("#")
    assert corpus.unshown(line) == data


FAULTS: dict[str, tuple[str, Any, str, Callable[..., Any]]] = {
    "an error that is not ours": ("codec", codec, "peer_node", lambda *_, **__: {}["x"]),
    "a node under another's name": ("codec", codec, "renamed_node", lambda raw, _: bytes(raw)),
    "a message lost": ("connection", Session, "_answer", lambda *_: None),
    "a message twice": (
        "connection",
        Connection,
        "send",
        lambda self, text: self.out.extend([self.framer(text)] * 2),
    ),
    "half a frame": (
        "connection",
        Connection,
        "send",
        lambda self, text: self.out.append(self.framer(text)[:-1]),
    ),
    "a ping taken for a pong": ("connection", FrameTracker, "reply", lambda *_: b""),
}


@pytest.mark.parametrize(("name", "where", "what", "instead"), FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_is_noticed(
    name: str,
    where: Any,
    what: str,
    instead: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(where, what, instead)
    assert played(name) != []


@pytest.mark.parametrize("name", TARGETS)
def test_what_a_mutator_makes_is_something_else_that_does_no_harm(name: str) -> None:
    inputs, chance = corpus.seeds(name), random.Random(7)
    mutator = Mutator(inputs)
    changed = 0
    for data in inputs * 2:
        made = mutator(data, chance)
        if made is not None:
            changed += 1
            assert made != data
            TARGETS[name](made)
    assert changed > len(inputs)


def test_the_dictionary_holds_names_and_moves() -> None:
    assert {b'"statType":', b"\nT", b"Host: "} <= set(words(corpus.seeds("connection")))
