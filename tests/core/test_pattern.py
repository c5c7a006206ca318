"""Names of nodes against shell-style patterns."""

import pytest

from nodnod_agent.core.pattern import is_pattern, matcher


@pytest.mark.parametrize(
    ("name", "patterns", "fits"),
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
def test_a_name_fits_itself_and_shell_style_patterns(
    name: str, patterns: tuple[str, ...], fits: bool
) -> None:
    assert matcher(patterns)(name) is fits


@pytest.mark.parametrize(
    ("name", "wild"),
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
def test_an_address_of_ipv6_is_no_pattern_for_all_its_brackets(name: str, wild: bool) -> None:
    assert is_pattern(name) is wild
