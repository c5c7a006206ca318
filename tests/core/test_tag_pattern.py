"""Patterns of tags in ``nodes``."""

import pytest

from nodnod_agent.core.tag_pattern import tag_matcher, tag_pattern_fault

TAGS = {"role": "db", "site": "eu-1"}


@pytest.mark.parametrize(
    ("patterns", "matches"),
    [
        (["tag:role=db"], True),
        (["tag:role=web"], False),
        (["tag:role"], True),
        (["tag:role=*"], True),
        (["tag:site=eu-?"], True),
        (["tag:site=us-*"], False),
        (["tag:site=EU-1"], False),
        (["site:eu-1"], True),
        (["site:eu-*"], True),
        (["site:us-1"], False),
        (["tag:rack"], False),
        (["tag:rack", "tag:role=db"], True),
        ([], False),
    ],
)
def test_a_pattern_matches_a_tag(patterns: list[str], matches: bool) -> None:
    assert tag_matcher(patterns)(TAGS) == matches


@pytest.mark.parametrize(
    "node",
    ["db-1", "tag", "tag:role", "tag:role=db", "tag:a=b=c", "tag:a-b=[xy]", "site:x", "site"],
)
def test_what_nodes_may_hold(node: str) -> None:
    assert tag_pattern_fault(node) == ""


@pytest.mark.parametrize(
    "node", ["tag:", "tag:=x", "tag:role=", "tag:7070", "tag:a b=c", "tag:*=db"]
)
def test_a_malformed_pattern_is_a_fault(node: str) -> None:
    assert tag_pattern_fault(node) == f"must be tag:KEY=VALUE or tag:KEY, got {node!r}"


def test_a_site_without_a_name_is_a_fault() -> None:
    assert tag_pattern_fault("site:") == "must be site:NAME, got 'site:'"
