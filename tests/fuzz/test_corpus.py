"""All inputs of the corpus are played again; and the targets notice faults."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz import codec, corpus
from fuzz.mutator import Mutator, words
from fuzz.targets import TARGETS
from nodnod_agent.core.requests.session import Session
from nodnod_agent.transport import frames
from nodnod_agent.transport.connection import Connection


def failing_inputs(name: str) -> Iterator[str]:
    """The inputs with which a target fails, and the errors."""
    for data in corpus.read_all(name):
        try:
            TARGETS[name](data)
        except Exception as error:  # noqa: BLE001  # all errors are reported
            yield f"{corpus.to_line(data)}: {error!r}"


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_of_the_corpus_fails(name: str) -> None:
    assert list(failing_inputs(name)) == []


@pytest.mark.parametrize("name", TARGETS)
def test_a_corpus_is_small_and_has_no_input_twice(name: str) -> None:
    inputs = corpus.read_all(name)
    assert len(corpus.seeds(name)) > 50
    assert len(inputs) == len(set(inputs))
    size = sum(len(corpus.to_line(data)) + 1 for data in corpus.found(name))
    assert size <= corpus.MAX_CHARACTERS


def test_the_shortest_of_the_found_inputs_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corpus, "FOLDER", tmp_path)
    monkeypatch.setattr(corpus, "MAX_CHARACTERS", 9)
    assert corpus.keep("codec", [b"r{}", b"long", b"\xff", b"r{}"]) == 2
    assert corpus.found("codec") == [b"\xff", b"r{}"]


@given(st.binary())
def test_any_input_can_be_written_as_a_line_and_read_back(data: bytes) -> None:
    line = corpus.to_line(data)
    assert line.isprintable()
    assert line.isascii()
    assert not line.startswith("#")
    assert corpus.from_line(line) == data


def _without_pongs(first: int, payload: bytes, *, mask: bool) -> bytes:
    return b"" if first == frames.PONG else _serialize(first, payload, mask=mask)


_serialize = frames.serialize

FAULTS: dict[str, tuple[str, Any, str, Callable[..., Any]]] = {
    "an error of another library": ("codec", codec, "peer_node", lambda *_, **__: {}["x"]),
    "a node under another name": ("codec", codec, "renamed_node", lambda raw, _: bytes(raw)),
    "a lost message": ("connection", Session, "_answer", lambda *_: None),
    "a repeated message": (
        "connection",
        Connection,
        "send",
        lambda self, text: self.out.extend([self.framer(text)] * 2),
    ),
    "an incomplete frame": (
        "connection",
        Connection,
        "send",
        lambda self, text: self.out.append(self.framer(text)[:-1]),
    ),
    "a ping without a pong": ("connection", frames, "serialize", _without_pongs),
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
    assert any(failing_inputs(name))


@pytest.mark.parametrize("name", TARGETS)
def test_mutated_inputs_differ_and_do_not_fail(name: str) -> None:
    inputs, rng = corpus.seeds(name), random.Random(7)
    mutator = Mutator(inputs)
    changed = 0
    for data in inputs * 2:
        made = mutator(data, rng)
        if made is not None:
            changed += 1
            assert made != data
            TARGETS[name](made)
    assert changed > len(inputs)


def test_the_dictionary_has_names_and_steps() -> None:
    assert {b'"statType":', b"\nT", b"Host: "} <= set(words(corpus.seeds("connection")))
