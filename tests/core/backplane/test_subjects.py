"""Subjects: every name is one token, and tells who has sent a message."""

import pytest

from nodnod_agent.core.backplane.subjects import ASK, SITE, WORD, Sender, Subjects, name_of, token

NAMES = ["kenny", "a.b", ".", ">", "*", "with space", "Größe", "=3D", "=", "-_", "日本", "a" * 128]

KENNY = Sender("kenny", "1f")


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_one_token_and_comes_back(name: str) -> None:
    text = token(name)
    assert not set(text) & set(".*> \t")
    assert name_of(text) == name


def test_different_names_are_different_tokens() -> None:
    assert len({token(name) for name in NAMES}) == len(NAMES)


@pytest.mark.parametrize(
    "text", ["", "a.b", "*", "=", "=4", "=zz", "=ff", "=FF", "ü", "a b", "a" * 129, "=0A"]
)
def test_what_is_no_token_is_no_name(text: str) -> None:
    with pytest.raises(ValueError):  # a byte that is no UTF-8 has another text
        name_of(text)


def test_a_subject_tells_its_sender() -> None:
    subjects = Subjects("test", KENNY)
    assert subjects.parse(subjects.word) == (WORD, KENNY, "")
    kyle = Sender("a.b", "2")
    to = subjects.to(ASK, kyle)
    assert to == "nodnod.test.ask.a=2Eb.2.kenny.1f"
    assert Subjects("test", kyle).parse(to) == (ASK, KENNY, "")


def test_the_subject_of_a_speaker_tells_its_site() -> None:
    subjects = Subjects("test", KENNY, "eu-1")
    assert subjects.site == "nodnod.test.site.eu-1.kenny.1f"
    assert Subjects("test", KENNY).parse(subjects.site) == (SITE, KENNY, "eu-1")
    assert "nodnod.test.beat.eu-1.>" in subjects.own


@pytest.mark.parametrize(
    "subject",
    [
        "nodnod.test",
        "nodnod.test.word",
        "nodnod.test.word.kenny",
        "nodnod.test.word.kenny.1.2",
        "nodnod.test.site.kenny.1",
        "nodnod.test.beat.eu.a.b.kenny.1",
        "nodnod.test.other.kenny.1",
        "nodnod.other.word.kenny.1",
        "nodnod.testing.word.kenny.1",
        "nodnod.test.word..1",
        "other.test.word.kenny.1",
        "",
    ],
)
def test_other_subjects_are_refused(subject: str) -> None:
    with pytest.raises(ValueError):  # with different texts
        Subjects("test", KENNY).parse(subject)
