"""Which pages of other members may ask this agent: where those may have been opened."""

from typing import Any

import pytest

from nodnod_agent.auth.member_origins import Known, MemberOrigins
from nodnod_client.address import Address
from nodnod_client.messages import MemberEntry


def entry(address: str = "10.0.0.6:7070", *origins: str, name: str = "stan") -> MemberEntry:
    return MemberEntry(name, address, "i", 1, origins=list(origins))


def accepts(origin: tuple[str, str, int], *entries: MemberEntry, **options: Any) -> bool:
    known = Known(entries, (Address("10.0.0.9", 7070),))
    return MemberOrigins(lambda: known, **options).accept(*origin)


@pytest.mark.parametrize(
    "origin",
    [
        ("http", "10.0.0.6", 7070),
        ("https", "10.0.0.6", 7070),
        ("http", "10.0.0.9", 7070),
        ("http", "stan", 7070),
        ("http", "localhost", 7070),
        ("http", "127.0.0.1", 7070),
        ("http", "::1", 7070),
        ("http", "stats.internal", 7070),
        ("http", "10.1.0.6", 9000),
        ("http", "localhost", 9000),
        ("https", "proxy.local", 8443),
    ],
)
def test_a_page_of_a_member_is_accepted_under_each_of_its_names(
    origin: tuple[str, str, int],
) -> None:
    stan = entry("10.0.0.6:7070", "stats.internal", "10.1.0.6:9000", "https://proxy.local:8443")
    assert accepts(origin, stan)


@pytest.mark.parametrize(
    "origin",
    [
        ("http", "10.0.0.6", 7071),
        ("http", "10.0.0.7", 7070),
        ("http", "localhost", 80),
        ("http", "localhost", 8080),
        ("http", "proxy.local", 8443),
        ("http", "kyle", 7070),
        ("http", "stan", 80),
        ("https", "stan", 443),
    ],
)
def test_another_page_is_not(origin: tuple[str, str, int]) -> None:
    assert not accepts(origin, entry("10.0.0.6:7070", "https://proxy.local:8443"), believed=True)


PUBLIC = [
    (("http", "evil.example", 80), entry("10.0.0.6:80", "evil.example")),
    (("https", "evil.example", 443), entry("10.0.0.6:7070", "https://evil.example")),
    (("http", "evil.example", 80), entry("evil.example:80")),
    (("http", "evil.example", 80), entry("10.0.0.6:80", name="evil.example")),
    (("http", "8.8.8.8", 80), entry("8.8.8.8:80")),
    (("http", "::ffff:8.8.8.8", 80), entry("10.0.0.6:7070", "[::ffff:8.8.8.8]:80")),
]


@pytest.mark.parametrize(("origin", "liar"), PUBLIC)
def test_without_a_secret_nobody_can_add_a_page_of_the_internet(
    origin: tuple[str, str, int], liar: MemberEntry
) -> None:
    assert not accepts(origin, liar)


@pytest.mark.parametrize(("origin", "member"), PUBLIC)
def test_a_public_host_counts_if_members_have_proved_themselves_or_this_agent_knows_it(
    origin: tuple[str, str, int], member: MemberEntry
) -> None:
    assert accepts(origin, member, believed=True)
    assert accepts(origin, member, hosts=[origin[1]])
    assert accepts(origin, member, met=lambda host: host == origin[1])


def test_what_is_known_is_read_again_when_it_has_changed() -> None:
    known: list[MemberEntry] = []
    origins = MemberOrigins(lambda: Known(tuple(known)), lambda: len(known))
    assert not origins.accept("http", "10.0.0.6", 7070)
    known.append(entry())
    assert origins.accept("http", "10.0.0.6", 7070)
