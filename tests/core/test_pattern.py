"""Shell-style patterns for node names."""

import pytest

from nodnod_agent.core.pattern import is_pattern, matcher


@pytest.mark.parametrize(
    ("name", "patterns", "matches"),
    [
        ("kenny", ("kenny",), True),
        ("kenny", ("kyle", "kenny"), True),
        ("kenny", ("Kenny",), False),
        ("kenny", (), False),
        ("db-1", ("db-*",), True),
        ("db-1", ("db-?",), True),
        ("db-12", ("db-?",), False),
        ("db-1", ("db-[12]",), True),
        ("db-3", ("db-[!12]",), True),
        ("x-db-1", ("db-*",), False),
        ("[::1]:7070", ("[::1]:7070",), True),
        ("a\nb", ("a*",), True),
    ],
)
def test_a_name_matches_itself_and_shell_style_patterns(
    name: str, patterns: tuple[str, ...], matches: bool
) -> None:
    assert matcher(patterns)(name) is matches


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("kenny", False),
        ("db-*", True),
        ("db-?", True),
        ("db-[12]", True),
        ("[12]", True),
        ("[::1]:7070", False),
        ("[fe80::1%eth0]", False),
    ],
)
def test_an_ipv6_address_is_no_pattern_in_spite_of_its_brackets(name: str, pattern: bool) -> None:
    assert is_pattern(name) is pattern
