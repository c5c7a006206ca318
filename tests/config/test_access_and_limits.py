"""The settings of access control and of the limits."""

import json
from typing import Any

import pytest
from msgspec.structs import asdict

from nodnod_agent.config.settings import ACCESS, LIMITS, NATS, SETTINGS, Settings
from nodnod_agent.config.sources import gather
from nodnod_agent.config.validators import ConfigError
from nodnod_agent.core.limits import Limits

SECRET = "correct-horse-battery-staple-correct-horse"
REFERENCE = "expected env:NAME or file:PATH, never the secret itself"


def read(document: Any, /, **environment: str) -> dict[str, Any]:
    return gather({}, environment, json.dumps(document).encode(), "conf.json").values


def error_for(document: Any, /, **environment: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(document, **environment)
    return str(caught.value)


def test_every_limit_of_the_core_is_a_setting_and_the_core_has_its_default() -> None:
    names = [row.field.removeprefix("limits_") for row in LIMITS]
    assert names == list(asdict(Limits()))
    assert Settings(name="kyle").limits == {}


def test_none_of_them_is_a_flag() -> None:
    assert not any(row.is_flag for row in (*ACCESS, *NATS, *LIMITS))
    assert {*ACCESS, *NATS, *LIMITS} <= set(SETTINGS)


@pytest.mark.parametrize(
    ("auth", "says"),
    [
        ({"secrets": [SECRET]}, f"auth.secrets[0]: {REFERENCE}"),
        ({"secrets": ["env:A", SECRET]}, f"auth.secrets[1]: {REFERENCE}"),
        ({"secrets": ["env:"]}, f"auth.secrets[0]: {REFERENCE}"),
        ({"secrets": [f"env:{SECRET}"]}, f"auth.secrets[0]: {REFERENCE}"),
        ({"secrets": ["file:"]}, f"auth.secrets[0]: {REFERENCE}"),
        ({"secrets": [f"file:\0{SECRET}"]}, f"auth.secrets[0]: {REFERENCE}"),
        ({"secrets": [f"ENV:{SECRET}"]}, f"auth.secrets[0]: {REFERENCE}"),
        ({"secrets": [f"{SECRET}\n"]}, f"auth.secrets[0]: {REFERENCE}"),
        ({"secrets": [[SECRET]]}, f"auth.secrets[0]: {REFERENCE}"),
        ({"secrets": SECRET}, "auth.secrets: expected an array, each item env:NAME or file:PATH, "),
        ({"secrets": {"a": SECRET}}, "auth.secrets: expected an array, each item env:NAME or "),
        (SECRET, "auth: expected an object, got text"),
        ([SECRET], "auth: expected an object, got an array"),
        ({"secret": SECRET}, "unknown key 'auth.secret' (did you mean auth.secrets?)"),
    ],
)
def test_a_secret_in_the_file_is_refused_and_not_shown(auth: Any, says: str) -> None:
    text = error_for({"auth": auth})
    assert text.startswith(f"conf.json: {says}")
    assert SECRET not in text


def test_a_secret_elsewhere_is_refused_and_not_shown() -> None:
    says = f"NODNOD_AUTH_SECRETS[0]: {REFERENCE}"
    assert error_for({}, NODNOD_AUTH_SECRETS=SECRET) == says
    assert error_for({"secrets": [SECRET]}).startswith("conf.json: unknown key 'secrets'")
    assert error_for({"auth.secrets": [SECRET]}).startswith("conf.json: unknown key 'auth.secrets'")


HOOK = "webhook+https://hooks.example/key"
NO_URL = "expected env:NAME or file:PATH, never the URL itself, which is a secret"


@pytest.mark.parametrize(
    ("alerts", "says"),
    [
        ({"notify": [HOOK]}, f"alerts.notify[0]: {NO_URL}"),
        ({"notify": ["env:A", HOOK]}, f"alerts.notify[1]: {NO_URL}"),
        ({"notify": HOOK}, "alerts.notify: expected an array, each item env:NAME or file:PATH, "),
        ({"heartbeat": HOOK}, f"alerts.heartbeat: {NO_URL}"),
        ({"heartbeat": ["env:A"]}, f"alerts.heartbeat: {NO_URL}"),
        (HOOK, "alerts: expected an object, got text"),
        ({"notfy": [HOOK]}, "unknown key 'alerts.notfy' (did you mean alerts.notify?)"),
    ],
)
def test_a_url_of_a_channel_in_the_file_is_refused_and_not_shown(alerts: Any, says: str) -> None:
    text = error_for({"alerts": alerts})
    assert text.startswith(f"conf.json: {says}")
    assert HOOK not in text


def test_a_url_of_a_channel_in_a_variable_is_refused_and_not_shown() -> None:
    assert error_for({}, NODNOD_ALERTS_NOTIFY=HOOK) == f"NODNOD_ALERTS_NOTIFY[0]: {NO_URL}"
    assert error_for({}, NODNOD_ALERTS_HEARTBEAT=HOOK) == f"NODNOD_ALERTS_HEARTBEAT: {NO_URL}"
    found = read({}, NODNOD_ALERTS_NOTIFY="env:A,file:/b", NODNOD_ALERTS_HEARTBEAT="env:C")
    assert found == {"alerts_notify": ("env:A", "file:/b"), "alerts_heartbeat": "env:C"}


@pytest.mark.parametrize("key", ["password", "token", "nkey", "creds"])
def test_a_secret_of_nats_in_the_file_is_refused_and_not_shown(key: str) -> None:
    text = error_for({"nats": {key: SECRET}})
    assert text == f"conf.json: nats.{key}: {REFERENCE}"
    text = error_for({}, **{f"NODNOD_NATS_{key.upper()}": SECRET})
    assert text == f"NODNOD_NATS_{key.upper()}: {REFERENCE}"


@pytest.mark.parametrize("url", [f"nats://agents:{SECRET}@a", f"tls://{SECRET}@a", f"{SECRET}@a"])
def test_a_password_in_the_url_of_a_server_is_refused_and_not_shown(url: str) -> None:
    what = "no user and password in a URL; set nats.user and nats.password, or nats.token"
    assert error_for({"backplane": url}) == f"conf.json: backplane: expected {what}"
    says = f"NODNOD_BACKPLANE[1]: expected {what}"
    assert error_for({}, NODNOD_BACKPLANE=f"nats://b,{url}") == says


ORIGINS = ["*", "null", "a.example", "https://a/", "https://*.a", "https://a:99999", "wss://a"]


@pytest.mark.parametrize("origin", [*ORIGINS, "https://ü.de", 5])
def test_a_value_that_is_no_origin_is_refused(origin: object) -> None:
    expected = "expected an origin, as https://host or https://host:port"
    says = f"conf.json: allowedOrigins[1]: {expected}, got {origin!r}"
    assert error_for({"allowedOrigins": ["https://a", origin]}) == says


@pytest.mark.parametrize("host", ["a:7070", "http://a", "*", ""])
def test_a_value_that_is_no_host_name_is_refused(host: str) -> None:
    expected = "expected a host name, without scheme and port"
    says = f"conf.json: allowedHosts[0]: {expected}, got {host!r}"
    assert error_for({"allowedHosts": [host]}) == says


@pytest.mark.parametrize("key", ["cert", "key", "ca"])
@pytest.mark.parametrize("path", ["", 5, "a\0"])
def test_a_value_that_is_no_path_is_refused(key: str, path: object) -> None:
    says = f"conf.json: tls.{key}: expected the path of a file, got {path!r}"
    assert error_for({"tls": {key: path}}) == says


def test_the_directory_of_custom_numbers_and_their_age_are_read_and_checked() -> None:
    document = {"custom": {"directory": "/var/lib/x", "maxAge": 60}}
    assert read(document) == {"custom_directory": "/var/lib/x", "custom_max_age": 60}
    assert read({}, NODNOD_CUSTOM_MAX_AGE="90") == {"custom_max_age": 90}
    says = "conf.json: custom.maxAge: expected a whole number from 1 to 31536000, got 0"
    assert error_for({"custom": {"maxAge": 0}}) == says
    assert "custom.directory: expected the path of a" in error_for({"custom": {"directory": 5}})


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"allowedOrigins": "https://a"}, "allowedOrigins: expected an array of origins, got"),
        ({"allowedHosts": "a"}, "allowedHosts: expected an array of host names, got 'a'"),
        ({"tls": {"requireClientCert": 1}}, "tls.requireClientCert: expected true or false, got 1"),
        ({"tls": "a.pem"}, "tls: expected an object, got text"),
        ({"tls": {"crt": "x"}}, "unknown key 'tls.crt' (did you mean tls.cert?)"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(document: Any, says: str) -> None:
    assert error_for(document).startswith(f"conf.json: {says}")


@pytest.mark.parametrize("row", LIMITS, ids=lambda row: row.key)
@pytest.mark.parametrize("value", [-1, 1e12, float("nan"), float("inf"), "5", True, None, [5]])
def test_a_limit_out_of_range_is_refused_with_its_bounds(row: Any, value: object) -> None:
    text = error_for({"limits": {row.key.removeprefix("limits."): value}})
    assert text.startswith(f"conf.json: {row.key}: expected a ")
    assert " from " in text


def test_a_count_may_be_written_as_a_float_but_must_be_whole() -> None:
    assert read({"limits": {"inFlight": 8.0}}) == {"limits_in_flight": 8}
    assert type(read({}, NODNOD_LIMITS_IN_FLIGHT="8")["limits_in_flight"]) is int
    says = "conf.json: limits.inFlight: expected a whole number from 1 to 100000, got 8.5"
    assert error_for({"limits": {"inFlight": 8.5}}) == says
