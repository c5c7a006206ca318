"""Silences: how they begin and end, and what they cover."""

import pytest

from core.alerts.alerted_node import START, alert
from core.harness import CoreHarness
from nodnod_agent.core.alerts.silencing import Silencing
from nodnod_agent.core.alerts.table import MAX_SILENCES
from nodnod_client.alerts import Silence
from nodnod_client.messages import SilenceTerms


@pytest.fixture
def silencing(harness: CoreHarness) -> Silencing:
    return harness.node.silencing


def begun(silencing: Silencing, seconds: float = 60, **terms: str) -> Silence:
    silence = silencing.begin(SilenceTerms(seconds, **terms), "kyle")
    assert silence is not None
    return silence


def test_a_silence_has_an_end_and_says_who_has_asked_for_it(silencing: Silencing) -> None:
    silence = begun(silencing, 60, node="db-*", rule="cpu", reason="upgrade")
    assert silence == Silence(
        id=silence.id,
        node="db-*",
        rule="cpu",
        until=START + 60,
        reason="upgrade",
        by="kyle",
        at=START,
    )
    assert len(silence.id) == 8


def test_without_patterns_it_is_about_everything(silencing: Silencing) -> None:
    assert silencing.covering()(alert()) is False
    begun(silencing)
    assert silencing.covering()(alert()) is True


@pytest.mark.parametrize(
    ("terms", "covered"),
    [
        ({"node": "o[a-w]?", "rule": "c*"}, True),
        ({"node": "other"}, False),
        ({"rule": "disk"}, False),
    ],
)
def test_it_covers_alerts_whose_node_and_rule_it_matches(
    silencing: Silencing, terms: dict[str, str], covered: bool
) -> None:
    begun(silencing, node="other")
    begun(silencing, **terms)
    assert silencing.covering()(alert()) is covered


def test_the_next_to_end_comes_first(harness: CoreHarness, silencing: Silencing) -> None:
    long, short = begun(silencing, 90), begun(silencing, 30)
    assert silencing.active == [short, long]
    assert silencing.next_end == START + 30
    harness.clock.advance(30)
    assert silencing.active == [long]


def test_a_silence_can_be_ended_once(silencing: Silencing) -> None:
    silence = begun(silencing)
    ended = silencing.end(silence.id)
    assert ended is not None
    assert ended.ended
    assert silencing.active == []
    assert silencing.covering()(alert()) is False
    assert silencing.end(silence.id) is None
    assert silencing.end("nonsense") is None


def test_there_may_be_only_so_many_at_once(silencing: Silencing) -> None:
    silences = [begun(silencing, 60 + number) for number in range(MAX_SILENCES)]
    assert silencing.begin(SilenceTerms(600), "kyle") is None
    silencing.end(silences[0].id)
    assert begun(silencing, 600) in silencing.active
