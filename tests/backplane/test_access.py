"""What is wrong with the settings of a backplane, each named in a line that shows no secret."""

import ssl
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from backplane.identities import Identity, operated
from doubles.certificates import Authority
from nodnod_agent.backplane import access as access_module
from nodnod_agent.backplane.access import NatsAccess, NatsServer, read_access
from nodnod_agent.config.settings import Settings
from nodnod_agent.config.validators import ConfigError
from nodnod_client.address import Address

SERVER = ("nats://a:4222",)


def read(environment: Mapping[str, str] | None = None, **settings: Any) -> NatsAccess:
    settings = {"backplane": SERVER, **settings}
    found = read_access(Settings(name="kyle", **settings), environment or {})
    assert found is not None
    return found


def error_of(environment: Mapping[str, str] | None = None, **settings: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        read(environment, **settings)
    return str(caught.value)


def test_without_a_backplane_there_is_nothing_to_read() -> None:
    assert read_access(Settings(name="kyle"), {}) is None


def test_the_servers_are_those_of_the_urls_and_tls_where_the_scheme_says_so() -> None:
    found = read(backplane=("nats://a:4222", "tls://[::1]:5"))
    assert found.servers == (
        NatsServer(Address("a", 4222), must_be_tls=False),
        NatsServer(Address("::1", 5), must_be_tls=True),
    )
    assert [str(server) for server in found.servers] == ["nats://a:4222", "tls://[::1]:5"]
    assert found.tls is not None
    assert found.name == "nodnod-agent kyle"


def test_an_authority_or_a_certificate_makes_all_servers_tls(authority: Authority) -> None:
    cert, key = authority.issue("kyle")
    for settings in ({"nats_ca": authority.ca}, {"nats_cert": cert, "nats_key": key}):
        found = read(**settings)
        assert [server.must_be_tls for server in found.servers] == [True]
        assert found.tls is not None
        assert found.tls.verify_mode is ssl.CERT_REQUIRED
        assert found.tls.check_hostname
    assert read().tls is None


@pytest.mark.parametrize(
    "field", ["user", "password", "token", "nkey", "creds", "ca", "cert", "key"]
)
def test_a_setting_without_a_backplane_is_refused(field: str) -> None:
    says = f"nats.{field}: does nothing without backplane"
    assert error_of(backplane=(), **{f"nats_{field}": "env:A"}) == says


@pytest.mark.parametrize("field", ["nodes", "join"])
def test_first_addresses_beside_a_backplane_are_refused(field: str) -> None:
    says = "backplane: an agent has a backplane or first addresses (nodes, join), or a site, which has both"
    assert error_of(**{field: (Address("a", 1),)}) == says


def test_a_site_has_first_addresses_beside_a_backplane() -> None:
    assert read(site="eu-1", nodes=(Address("a", 1),)) is not None


def test_a_tag_that_names_another_site_is_refused() -> None:
    assert (
        error_of(site="eu-1", tags={"site": "us"}) == "tags: the site is eu-1, got 'us' as the tag"
    )
    says = "tags: with the site, expected at most 16 tags, got 17"
    assert error_of(site="eu-1", tags={f"k{n}": "x" for n in range(16)}) == says


def test_push_mode_is_refused() -> None:
    says = "mode: push is for agents that dial each other, not for a backplane"
    assert error_of(mode="push") == says


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_module, "find_spec", lambda _: None)
    assert error_of() == "backplane: needs nats-py: pip install 'nodnod-agent[nats]'"


def test_a_missing_package_of_nkeys_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacks_nkeys(name: str) -> object:
        return None if name == "nkeys" else find_spec(name)

    monkeypatch.setattr(access_module, "find_spec", lacks_nkeys)
    environment = {"S": Identity("U").seed, "C": operated()[1]}
    for field, reference in (("nkey", "env:S"), ("creds", "env:C")):
        says = f"nats.{field}: needs nkeys: pip install 'nodnod-agent[nats]'"
        assert error_of(environment, **{f"nats_{field}": reference}) == says


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"nats_user": "a"}, "nats.user: needs nats.password"),
        ({"nats_password": "env:P"}, "nats.password: needs nats.user"),
        ({"nats_key": "a.key"}, "nats.key: needs nats.cert"),
        (
            {"nats_user": "a", "nats_password": "env:P", "nats_token": "env:P"},
            "nats.token: nats.user is set, too; one of them is enough",
        ),
        (
            {"nats_nkey": "env:P", "nats_creds": "env:P"},
            "nats.creds: nats.nkey is set, too; one of them is enough",
        ),
    ],
)
def test_settings_that_do_not_go_together_are_named(settings: dict[str, str], says: str) -> None:
    assert error_of({"P": "right"}, **settings) == says


@pytest.mark.parametrize("field", ["password", "token", "nkey", "creds"])
def test_a_secret_that_cannot_be_read_is_named(field: str, tmp_path: Path) -> None:
    settings = {"nats_user": "a"} if field == "password" else {}
    key, place = f"nats_{field}", f"nats.{field}"
    file = tmp_path / "secret"
    gone = "the environment variable GONE is not set"
    assert error_of(**settings, **{key: "env:GONE"}) == f"{place}: {gone}"
    settings[key] = f"file:{file}"
    assert error_of(**settings) == f"{place}: {file}: no such file or directory"
    file.write_text(" \n")
    file.chmod(0o644)
    says = f"{place}: {file}: others may read it: mode 0644, chmod it to 0640"
    assert error_of(**settings) == says
    file.chmod(0o640)
    assert error_of(**settings) == f"{place}: it is empty"
    file.write_bytes(b"\xff\xfe12")
    assert "byte order mark" in error_of(**settings)
    file.write_bytes(b"a\xff")
    assert error_of(**settings) == f"{place}: expected UTF-8 text"


def test_a_secret_is_read_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("right\n")
    file.chmod(0o600)
    found = read(nats_user="agents", nats_password=f"file:{file}")
    assert found.proof == {"user": "agents", "password": "right"}
    assert read(nats_token=f"file:{file}").proof == {"token": "right"}


def mistyped(seed: str) -> str:
    """The seed with one letter of its middle replaced by another."""
    return seed[:20] + ("A" if seed[20] != "A" else "B") + seed[21:]


@pytest.mark.parametrize("spoil", [mistyped, lambda seed: seed[:-1], lambda seed: f"{seed}!"])
def test_a_damaged_seed_is_refused_and_not_shown(spoil: Any) -> None:
    seed = spoil(Identity("U").seed)
    text = error_of({"S": seed}, nats_nkey="env:S")
    assert text == "nats.nkey: the seed of the nkey is damaged"
    creds = f"-----BEGIN NATS USER JWT-----\nx\n-----BEGIN USER NKEY SEED-----\n{seed}\n"
    text = error_of({"C": creds}, nats_creds="env:C")
    assert text == "nats.creds: the seed of the nkey is damaged"


@pytest.mark.parametrize(
    "secret",
    ["correct-horse", Identity("A").seed, Identity("U").public],
    ids=["no seed", "the seed of an account", "a public key"],
)
def test_what_is_no_seed_of_a_user_is_refused_and_not_shown(secret: str) -> None:
    says = "nats.nkey: expected the seed of a user's nkey, which begins with SU"
    assert error_of({"S": secret}, nats_nkey="env:S") == says


@pytest.mark.parametrize("keep", [slice(0, 3), slice(5, None), slice(0, 0), slice(1, None)])
def test_what_is_not_in_the_form_of_a_creds_file_is_refused_and_not_shown(keep: slice) -> None:
    lines = operated()[1].splitlines()[keep] or ["correct-horse"]
    says = "nats.creds: expected what a .creds file holds, a JWT and the seed of an nkey"
    assert error_of({"C": "\n".join(lines)}, nats_creds="env:C") == says


def test_a_creds_file_with_other_line_breaks_is_read_as_the_same() -> None:
    creds = operated()[1]
    one = read({"C": creds}, nats_creds="env:C").proof
    other = read({"C": creds.replace("\n", " \r\n")}, nats_creds="env:C").proof
    assert one == other


def test_a_file_for_tls_that_cannot_be_used_is_named(authority: Authority, tmp_path: Path) -> None:
    cert, key = authority.issue("kyle")
    gone, text = tmp_path / "gone.pem", tmp_path / "text.pem"
    text.write_text("no PEM")
    assert error_of(nats_ca=str(gone)) == f"nats.ca: {gone}: no such file or directory"
    assert error_of(nats_ca=str(text)) == f"nats.ca: {text}: no certificates in PEM form"
    says = f"nats.cert: {text}: no certificate in PEM form"
    assert error_of(nats_cert=str(text), nats_key=key) == says
    _, other = authority.issue("kenny")
    says = f"nats.key: {other}: is not the key of the certificate"
    assert error_of(nats_cert=cert, nats_key=other) == says
    Path(key).chmod(0o644)
    says = f"nats.key: {key}: others may read it: mode 0644, chmod it to 0640"
    assert error_of(nats_cert=cert, nats_key=key) == says
