"""The settings of who may in, and of how much is borne."""

import json
from typing import Any

import pytest
from msgspec.structs import asdict

from nodnod_agent.config.settings import ACCESS, LIMITS, SETTINGS, Settings
from nodnod_agent.config.sources import gather
from nodnod_agent.config.validators import ConfigError
from nodnod_agent.core.limits import Limits

SECRET = "correct-horse-battery-staple-correct-horse"
REFERENCE = "expected env:NAME or file:PATH, never the secret itself"


def read(document: Any, /, **environment: str) -> dict[str, Any]:
    return gather({}, environment, json.dumps(document).encode(), "conf.json").values


def complaint(document: Any, /, **environment: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(document, **environment)
    return str(caught.value)


def test_all_of_them_can_stand_in_the_file() -> None:
    file = {
        "auth": {"secrets": ["env:NODNOD_SECRET", "file:/etc/nodnod/old secret"]},
        "allowedOrigins": [
            "https://Wiki.example",
            "http://a:8080",
            "https://b:443",
            "http://[::1]",
            "moz-extension://2c127fa4-62c7-7e4f",
        ],
        "allowedHosts": ["Stats.example.", "db_1"],
        "tls": {"cert": "a.pem", "key": "a.key", "ca": "/ca.pem", "requireClientCert": True},
        "limits": {
            "connections": 1000,
            "handshake": 2.5,
            "unauthenticated": 10,
            "clientMessage": 65536,
            "peerMessage": 1048576,
            "inFlight": 8,
            "controlFrames": 20,
            "streams": 0,
            "unread": 262144,
            "unreadFor": 10,
        },
    }
    settings = Settings(name="kyle", **read(file))
    assert settings.auth_secrets == ("env:NODNOD_SECRET", "file:/etc/nodnod/old secret")
    assert settings.allowed_origins == (
        "https://wiki.example",
        "http://a:8080",
        "https://b",
        "http://[::1]",
        "moz-extension://2c127fa4-62c7-7e4f",
    )
    assert settings.allowed_hosts == ("stats.example", "db_1")
    assert (settings.tls_cert, settings.tls_key, settings.tls_ca) == ("a.pem", "a.key", "/ca.pem")
    assert settings.tls_require_client_cert is True
    assert Limits(**settings.limits) == Limits(
        connections=1000,
        handshake=2.5,
        unauthenticated=10,
        client_message=65536,
        peer_message=1048576,
        in_flight=8,
        control_frames=20,
        streams=0,
        unread=262144,
        unread_for=10.0,
    )


def test_all_of_them_can_stand_in_the_environment() -> None:
    assert read(
        {},
        NODNOD_AUTH_SECRETS="env:S,file:/s",
        NODNOD_ALLOWED_ORIGINS="https://a, https://b",
        NODNOD_ALLOWED_HOSTS="a,b",
        NODNOD_TLS_CERT="c",
        NODNOD_TLS_KEY="k",
        NODNOD_TLS_CA="ca",
        NODNOD_TLS_REQUIRE_CLIENT_CERT="yes",
        **{f"NODNOD_LIMITS_{name.upper()}": "131072" for name in ("unread", "peer_message")},
        NODNOD_LIMITS_UNREAD_FOR="0.5",
    ) == {
        "auth_secrets": ("env:S", "file:/s"),
        "allowed_origins": ("https://a", "https://b"),
        "allowed_hosts": ("a", "b"),
        "tls_cert": "c",
        "tls_key": "k",
        "tls_ca": "ca",
        "tls_require_client_cert": True,
        "limits_unread": 131072,
        "limits_peer_message": 131072,
        "limits_unread_for": 0.5,
    }


def test_every_limit_of_the_core_is_a_setting_which_leaves_the_default_to_it() -> None:
    names = [row.field.removeprefix("limits_") for row in LIMITS]
    assert names == list(asdict(Limits()))
    assert Settings(name="kyle").limits == {}


def test_none_of_them_is_a_flag_as_they_belong_into_a_file() -> None:
    assert not any(row.is_flag for row in (*ACCESS, *LIMITS))
    assert {*ACCESS, *LIMITS} <= set(SETTINGS)


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"auth": {"secrets": [SECRET]}}, f"auth.secrets[0]: {REFERENCE}"),
        ({"auth": {"secrets": ["env:A", SECRET]}}, f"auth.secrets[1]: {REFERENCE}"),
        ({"auth": {"secrets": ["env:"]}}, f"auth.secrets[0]: {REFERENCE}"),
        ({"auth": {"secrets": [f"env:{SECRET}"]}}, f"auth.secrets[0]: {REFERENCE}"),
        ({"auth": {"secrets": ["file:"]}}, f"auth.secrets[0]: {REFERENCE}"),
        ({"auth": {"secrets": ["file:a\0b"]}}, f"auth.secrets[0]: {REFERENCE}"),
        ({"auth": {"secrets": ["FILE:a"]}}, f"auth.secrets[0]: {REFERENCE}"),
        ({"auth": {"secrets": [[SECRET]]}}, f"auth.secrets[0]: {REFERENCE}"),
        (
            {"auth": {"secrets": SECRET}},
            "auth.secrets: expected an array, each of it env:NAME or file:PATH, "
            "never the secret itself",
        ),
        ({"auth": {"secrets": {"a": SECRET}}}, "auth.secrets: expected an array, each of it "),
        ({"auth": SECRET}, "auth: expected an object, got text"),
        ({"auth": [SECRET]}, "auth: expected an object, got an array"),
        (
            {"auth": {"secret": SECRET}},
            "unknown key 'auth.secret' (did you mean auth.secrets?)",
        ),
    ],
)
def test_a_secret_in_the_file_is_refused_and_not_shown(document: Any, says: str) -> None:
    text = complaint(document)
    assert text.startswith(f"conf.json: {says}")
    assert SECRET not in text


def test_a_secret_in_the_environment_of_the_setting_is_refused_and_not_shown() -> None:
    says = f"NODNOD_AUTH_SECRETS[0]: {REFERENCE}"
    assert complaint({}, NODNOD_AUTH_SECRETS=SECRET) == says


ORIGIN = "expected an origin, as https://host or https://host:port, got "
HOST = "expected a host name, without scheme and port, got "


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"allowedOrigins": ["*"]}, f"allowedOrigins[0]: {ORIGIN}'*'"),
        ({"allowedOrigins": ["null"]}, f"allowedOrigins[0]: {ORIGIN}'null'"),
        ({"allowedOrigins": ["a.example"]}, f"allowedOrigins[0]: {ORIGIN}'a.example'"),
        ({"allowedOrigins": ["https://a/"]}, f"allowedOrigins[0]: {ORIGIN}'https://a/'"),
        ({"allowedOrigins": ["https://*.a"]}, f"allowedOrigins[0]: {ORIGIN}'https://*.a'"),
        ({"allowedOrigins": ["https://a:99999"]}, f"allowedOrigins[0]: {ORIGIN}'https://a:99999'"),
        ({"allowedOrigins": ["wss://a"]}, f"allowedOrigins[0]: {ORIGIN}'wss://a'"),
        ({"allowedOrigins": ["https://ü.de"]}, f"allowedOrigins[0]: {ORIGIN}'https://ü.de'"),
        ({"allowedOrigins": ["https://a", 5]}, f"allowedOrigins[1]: {ORIGIN}5"),
        ({"allowedOrigins": "https://a"}, "allowedOrigins: expected an array of origins, got"),
        ({"allowedHosts": ["a:7070"]}, f"allowedHosts[0]: {HOST}'a:7070'"),
        ({"allowedHosts": ["http://a"]}, f"allowedHosts[0]: {HOST}'http://a'"),
        ({"allowedHosts": ["*"]}, f"allowedHosts[0]: {HOST}'*'"),
        ({"allowedHosts": [""]}, f"allowedHosts[0]: {HOST}''"),
        ({"allowedHosts": "a"}, "allowedHosts: expected an array of host names, got 'a'"),
        ({"tls": {"cert": ""}}, "tls.cert: expected the path of a file, got ''"),
        ({"tls": {"cert": 5}}, "tls.cert: expected the path of a file, got 5"),
        ({"tls": {"ca": "a\0"}}, "tls.ca: expected the path of a file, got 'a\\x00'"),
        ({"tls": {"requireClientCert": 1}}, "tls.requireClientCert: expected true or false, got 1"),
        ({"tls": "a.pem"}, "tls: expected an object, got text"),
        ({"tls": {"crt": "x"}}, "unknown key 'tls.crt' (did you mean tls.cert?)"),
    ],
)
def test_what_is_no_origin_host_or_path_is_refused(document: Any, says: str) -> None:
    assert complaint(document).startswith(f"conf.json: {says}")


@pytest.mark.parametrize("row", LIMITS, ids=lambda row: row.key)
@pytest.mark.parametrize("value", [-1, 1e12, float("nan"), float("inf"), "5", True, None, [5]])
def test_a_limit_that_is_none_is_refused_with_its_bounds(row: Any, value: object) -> None:
    name = row.key.removeprefix("limits.")
    text = complaint({"limits": {name: value}})
    assert text.startswith(f"conf.json: {row.key}: expected a ")
    assert " from " in text


def test_a_count_is_a_whole_number_however_it_is_written() -> None:
    assert read({"limits": {"inFlight": 8.0}}) == {"limits_in_flight": 8}
    assert type(read({}, NODNOD_LIMITS_IN_FLIGHT="8")["limits_in_flight"]) is int
    says = "conf.json: limits.inFlight: expected a whole number from 1 to 100000, got 8.5"
    assert complaint({"limits": {"inFlight": 8.5}}) == says
