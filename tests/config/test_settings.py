"""How settings are named, read and checked, wherever they are set."""

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import fields

from config.documents import FULL
from nodnod_agent.config.alert_rules import rules
from nodnod_agent.config.settings import SETTINGS, Settings
from nodnod_agent.config.sources import Given, gather
from nodnod_agent.config.validators import ConfigError
from nodnod_client.address import Address

ADVERTISE = "expected an address of this machine that others can dial, got "
PORT = "port must be 1–65535, got "  # noqa: RUF001
NAME = "expected 1 to 128 printable characters, no space at either end, got "
URL = "expected a URL, nats://host:port or tls://host:port, got "
URLS = "expected a URL, nats://host:port, or an array of them, got "
TWICE = "nats://a:4222 is a duplicate of [0]"
TOKEN = "expected 1 to 64 letters, digits, - and _, got "
SITE = "expected at most 64 characters of key=value, got "
INTERVAL = "expected a number of seconds from 0.25 to 60, got "


def read(file: bytes | None = None, /, **environment: str) -> dict[str, Any]:
    return gather({}, environment, file, "conf.json").values


def error_for(file: bytes) -> str:
    with pytest.raises(ConfigError) as caught:
        read(file)
    return str(caught.value)


def test_the_sample_has_another_name_than_the_file_that_is_read_by_itself() -> None:
    folder = Path(__file__).parents[2] / "conf"
    assert not (folder / "conf.json").exists()
    assert read((folder / "conf.example.json").read_bytes()) == {
        "nodes": (Address("127.0.0.1", 7070), Address("127.0.0.1", 7071)),
        "mode": "pull",
    }


def test_every_setting_can_be_set_in_the_file() -> None:
    found = read(json.dumps(FULL).encode())
    assert found.keys() == {row.field for row in SETTINGS}
    assert Settings(**found) == Settings(
        nodes=(Address("192.168.20.15", 7070), Address("kyle", 1), Address("::1", 7070)),
        join=(Address("seed", 7070),),
        advertise=Address("10.0.0.1", 8080),
        mode="push",
        listen=Address("::", 0),
        name="Éric 🐱",
        interval=2.0,
        debug=True,
        tags={"role": "db", "a-b_c": "x=y, ☃"},
        log_format="json",
        custom_directory="/var/lib/nodnod",
        custom_max_age=90,
        state_directory="/var/lib/state",
        alerts_rules=rules(FULL["alerts"]["rules"], "alerts.rules"),
        alerts_notify=("env:HOOK", "file:/etc/nodnod/notify"),
        alerts_heartbeat="env:HEART",
        auth_secrets=("env:NODNOD_SECRET", "file:/etc/nodnod/old secret"),
        backplane=("nats://hub:4222", "tls://[::1]:443"),
        backplane_cluster="prod-1_b",
        site="eu-1",
        nats_user="agents",
        nats_password="env:NATS_PASSWORD",
        nats_token="env:NATS_TOKEN",
        nats_nkey="file:/etc/nodnod/nkey",
        nats_creds="file:/etc/nodnod/nats.creds",
        nats_ca="/hub/ca.pem",
        nats_cert="hub.pem",
        nats_key="hub.key",
        allowed_origins=(
            "https://wiki.example",
            "http://a:8080",
            "https://b",
            "http://[::1]",
            "moz-extension://2c127fa4-62c7-7e4f",
        ),
        allowed_hosts=("stats.example", "db_1"),
        tls_cert="a.pem",
        tls_key="a.key",
        tls_ca="/ca.pem",
        tls_require_client_cert=True,
        limits_connections=1000,
        limits_handshake=2.5,
        limits_unauthenticated=10,
        limits_client_message=65536,
        limits_peer_message=1048576,
        limits_in_flight=8,
        limits_control_frames=20,
        limits_streams=0,
        limits_unread=262144,
        limits_unread_for=10.0,
    )


ENVIRONMENT = {
    "NODES": ("kyle, 10.0.0.1:7071", (Address("kyle", 7070), Address("10.0.0.1", 7071))),
    "JOIN": ("stan,kenny:1", (Address("stan", 7070), Address("kenny", 1))),
    "ADVERTISE": ("10.0.0.1:8080", Address("10.0.0.1", 8080)),
    "MODE": ("push", "push"),
    "LISTEN": ("0.0.0.0", Address("0.0.0.0", 7070)),
    "NAME": ("stan", "stan"),
    "INTERVAL": ("0.5", 0.5),
    "DEBUG": ("yes", True),
    "TAGS": ("role=db, site=eu-1", {"role": "db", "site": "eu-1"}),
    "LOG_FORMAT": ("json", "json"),
    "ALERTS_RULES": ('[{"name": "cpu", "for": 60}]', rules([{"name": "cpu", "for": 60}], "")),
    "AUTH_SECRETS": ("env:S,file:/s", ("env:S", "file:/s")),
    "BACKPLANE": ("nats://a,tls://b:1", ("nats://a:4222", "tls://b:1")),
    "BACKPLANE_CLUSTER": ("prod", "prod"),
    "NATS_USER": ("agents", "agents"),
    "NATS_PASSWORD": ("env:P", "env:P"),
    "NATS_CA": ("ca", "ca"),
    "ALLOWED_ORIGINS": ("https://a, https://b", ("https://a", "https://b")),
    "ALLOWED_HOSTS": ("a,b", ("a", "b")),
    "TLS_CERT": ("c", "c"),
    "TLS_KEY": ("k", "k"),
    "TLS_CA": ("ca", "ca"),
    "TLS_REQUIRE_CLIENT_CERT": ("yes", True),
    "LIMITS_PEER_MESSAGE": ("131072", 131072),
    "LIMITS_UNREAD_FOR": ("0.5", 0.5),
}


def test_settings_can_be_set_in_the_environment() -> None:
    variables = {f"NODNOD_{name}": text for name, (text, _) in ENVIRONMENT.items()}
    values = {name.lower(): value for name, (_, value) in ENVIRONMENT.items()}
    assert read(**variables) == values


def test_the_table_has_one_row_for_each_field() -> None:
    assert sorted(row.field for row in SETTINGS) == sorted(f.name for f in fields(Settings))
    assert len({row.key for row in SETTINGS}) == len(SETTINGS)


def test_the_defaults_pass_their_own_checks() -> None:
    defaults = Settings(name="kenny")
    assert defaults.listen == Address("127.0.0.1", 7070)
    for row in SETTINGS:
        default = getattr(defaults, row.field)
        if row.key == "alerts.rules":
            assert row.check([], row.key) == default
            continue
        as_in_a_file: Any = default
        if isinstance(default, Address):
            as_in_a_file = str(default)
        elif isinstance(default, tuple):
            as_in_a_file = list(default)
        assert default is None or row.check(as_in_a_file, row.key) == default


def test_a_flag_overrides_the_environment_which_overrides_the_file() -> None:
    file = b'{"name": "file", "mode": "push", "interval": 3}'
    found = gather({"name": "flag"}, {"NODNOD_NAME": "env", "NODNOD_MODE": "pull"}, file, "c.json")
    assert found == Given(
        values={"name": "flag", "mode": "pull", "interval": 3.0},
        places={"name": "--name", "mode": "NODNOD_MODE", "interval": "c.json: interval"},
    )


def test_tags_are_overridden_key_by_key() -> None:
    found = gather(
        {"tags": "role=flag"},
        {"NODNOD_TAGS": "role=env,site=env"},
        b'{"tags": {"role": "file", "site": "file", "rack": "file"}}',
        "c.json",
    )
    assert found.values == {"tags": {"role": "flag", "site": "env", "rack": "file"}}


def test_tags_of_several_sources_together_keep_the_rules() -> None:
    many = {f"k{number}": "v" for number in range(16)}
    file = json.dumps({"tags": many}).encode()
    for text, says in (("new=v", "at most 16 tags, got 17"), ("k0=", "a value of printable")):
        with pytest.raises(ConfigError, match=f"^--tag: expected {says}"):
            gather({"tags": text}, {}, file, "conf.json")
    with pytest.raises(
        ConfigError, match=r"^--tag: expected keys that differ in more than - and _"
    ):
        gather({"tags": "a-b=1"}, {}, b'{"tags": {"a_b": "1"}}', "conf.json")


TAG_VALUE = "expected a value of printable characters, no space at either end, got"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("role", "expected key=value, got 'role'"),
        ("a=1,", "expected key=value, got ''"),
        ("a=1,a=2", "expected each key once, got 'a' twice"),
        ("=db", "expected letters, digits, _ and - in a key, no digit or - first, got ''"),
        ("1a=db", "expected letters, digits, _ and - in a key, no digit or - first, got '1a'"),
        ("rôle=db", "expected letters, digits, _ and - in a key, no digit or - first, got 'rôle'"),
        ("__a=1", "expected a key that does not start with two of _ and -, got '__a'"),
        ("_-a=1", "expected a key that does not start with two of _ and -, got '_-a'"),
        ("node=1", "expected another key than node, which stands for the name of the node"),
        ("a-b=1,a_b=2", "expected keys that differ in more than - and _, got a-b and a_b"),
        ("a=", f"{TAG_VALUE} '' for a"),
        ("a= b", f"{TAG_VALUE} ' b' for a"),
        ("a=", f"{TAG_VALUE} '\\x1b' for a"),
        ("a=" + "x" * 63, "expected at most 64 characters of key=value, got 65"),
    ],
)
def test_an_error_in_tags_says_what_is_expected(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        gather({"tags": text}, {}, None, "conf.json")
    assert str(caught.value) == f"--tag: {says}"


def test_tags_may_be_as_many_and_as_long_as_the_rules_say() -> None:
    tags = {f"k{number:02}": "☃" * 60 for number in range(16)}
    assert read(json.dumps({"tags": tags}).encode()) == {"tags": tags}


def test_an_overridden_value_is_checked_too() -> None:
    with pytest.raises(ConfigError, match=r"^conf\.json: mode: expected pull or push, got 'pul'$"):
        gather({"mode": "pull"}, {}, b'{"mode": "pul"}', "conf.json")


def test_an_empty_variable_counts_as_not_set_but_an_empty_flag_does_not() -> None:
    assert read(NODNOD_NAME="", NODNOD_LISTEN="") == {}
    with pytest.raises(ConfigError, match=r"^--name: expected 1 to 128 printable characters"):
        gather({"name": ""}, {}, None, "conf.json")


def test_unknown_variables_are_ignored() -> None:
    # Kubernetes sets these for a service that is called nodnod.
    assert read(NODNOD_PORT="tcp://10.0.0.1:7070", NODNOD_SERVICE_HOST="10.0.0.1") == {}


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", True), ("TRUE", True), ("on", True), ("0", False), ("no", False), ("F", False)],
)
def test_a_switch_accepts_common_words(text: str, value: bool) -> None:
    assert read(NODNOD_DEBUG=text) == {"debug": value}


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"NODNOD_LISTEN": ":80"}, "NODNOD_LISTEN: host is missing in ':80'"),
        ({"NODNOD_NODES": "a,b:0"}, f"NODNOD_NODES[1]: {PORT}0"),
        ({"NODNOD_NODES": "a,"}, "NODNOD_NODES[1]: host is missing in ''"),
        ({"NODNOD_DEBUG": "maybe"}, "NODNOD_DEBUG: expected true or false, got 'maybe'"),
        ({"NODNOD_INTERVAL": "1s"}, f"NODNOD_INTERVAL: {INTERVAL}'1s'"),
    ],
)
def test_an_error_in_a_variable_names_it(variables: dict[str, str], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(**variables)
    assert str(caught.value) == says


@pytest.mark.parametrize(
    ("file", "says"),
    [
        ('{"nodes": ["a", "b", "127.0.0.1:70700"]}', f"nodes[2]: {PORT}70700"),
        ('{"nodes": ["a:0"]}', f"nodes[0]: {PORT}0"),
        ('{"nodes": ["ws://a"]}', "nodes[0]: expected host:port, not a URL, got 'ws://a'"),
        ('{"nodes": ["a", "A:7070"]}', "nodes[1]: a:7070 is a duplicate of [0]"),
        ('{"nodes": ["::1", "[0::1]"]}', "nodes[1]: [::1]:7070 is a duplicate of [0]"),
        ('{"nodes": "a"}', "nodes: expected an array of addresses, got 'a'"),
        ('{"nodes": {"a": 1}}', "nodes: expected an array of addresses, got an object"),
        ('{"nodes": null}', "nodes: expected an array of addresses, got null"),
        ('{"nodes": [7070]}', "nodes[0]: expected an address, host:port, got 7070"),
        ('{"nodes": [["a"]]}', "nodes[0]: expected an address, host:port, got an array"),
        ('{"listen": 7070}', "listen: expected an address, host:port, got 7070"),
        ('{"advertise": "0.0.0.0:7070"}', f"advertise: {ADVERTISE}0.0.0.0:7070"),
        ('{"advertise": "[::]"}', f"advertise: {ADVERTISE}[::]:7070"),
        ('{"advertise": "a:0"}', f"advertise: {PORT}0"),
        ('{"mode": "pul"}', "mode: expected pull or push, got 'pul'"),
        ('{"mode": ["pull"]}', "mode: expected pull or push, got an array"),
        ('{"interval": 0}', f"interval: {INTERVAL}0"),
        ('{"interval": -1.0}', f"interval: {INTERVAL}-1"),
        ('{"interval": NaN}', f"interval: {INTERVAL}nan"),
        ('{"interval": 1e400}', f"interval: {INTERVAL}inf"),
        ('{"interval": 60.001}', f"interval: {INTERVAL}60.001"),
        ('{"interval": "1"}', f"interval: {INTERVAL}'1'"),
        ('{"interval": true}', f"interval: {INTERVAL}true"),
        ('{"name": ""}', f"name: {NAME}''"),
        ('{"name": " a"}', f"name: {NAME}' a'"),
        ('{"name": "a\\u0007b"}', f"name: {NAME}'a\\x07b'"),
        ('{"name": "a\\nb"}', f"name: {NAME}'a\\nb'"),
        ('{"name": "a\\u202eb"}', f"name: {NAME}'a\\u202eb'"),
        ('{"name": "a\\ud800"}', f"name: {NAME}'a\\ud800'"),
        ('{"name": 5}', f"name: {NAME}5"),
        ('{"name": "' + "x" * 129 + '"}', f"name: {NAME}'" + "x" * 76 + "…"),
        ('{"tags": []}', "tags: expected an object of tags, got an array"),
        ('{"tags": ["a=b"]}', "tags: expected an object of tags, got an array"),
        ('{"tags": {"a": 1}}', "tags: expected text as the value of each tag, got 1"),
        ('{"tags": {"a": "1", "a": "2"}}', "duplicate key 'a'"),
        ('{"backplane": 5}', f"backplane: {URLS}5"),
        ('{"backplane": {"user": "a"}}', f"backplane: {URLS}an object"),
        ('{"backplane": "a:4222"}', f"backplane: {URL}'a:4222'"),
        ('{"backplane": ["nats://a", "ws://a"]}', f"backplane[1]: {URL}'ws://a'"),
        ('{"backplane": ["nats://a", 5]}', f"backplane[1]: {URL}5"),
        ('{"backplane": ["NATS://a"]}', f"backplane[0]: {URL}'NATS://a'"),
        ('{"backplane": ["nats://"]}', "backplane[0]: host is missing in ''"),
        ('{"backplane": ["nats://a:0"]}', f"backplane[0]: {PORT}0"),
        ('{"backplane": "nats://a/x"}', "backplane: expected host:port, not a URL, got 'a/x'"),
        ('{"backplane": ["nats://a", "nats://A:4222"]}', f"backplane[1]: {TWICE}"),
        ('{"backplaneCluster": ""}', f"backplaneCluster: {TOKEN}''"),
        ('{"backplaneCluster": "a.b"}', f"backplaneCluster: {TOKEN}'a.b'"),
        ('{"backplaneCluster": 5}', f"backplaneCluster: {TOKEN}5"),
        ('{"site": ""}', f"site: {TOKEN}''"),
        ('{"site": "eu 1"}', f"site: {TOKEN}'eu 1'"),
        ('{"site": "' + "x" * 60 + '"}', f"site: {SITE}'" + "x" * 60 + "'"),
        ('{"nats": "x"}', "nats: expected an object, got text"),
        ('{"nats": {"pasword": "x"}}', "unknown key 'nats.pasword' (did you mean nats.password?)"),
        ('{"nats": {"user": ""}}', f"nats.user: {NAME}''"),
        ('{"nats": {"ca": ""}}', "nats.ca: expected the path of a file, got ''"),
        ('{"debug": 1}', "debug: expected true or false, got 1"),
        ('{"debug": "true"}', "debug: expected true or false, got 'true'"),
        ('{"logFormat": "xml"}', "logFormat: expected text or json, got 'xml'"),
        ('{"nods": []}', "unknown key 'nods' (did you mean nodes?)"),
        ('{"log_format": "json"}', "unknown key 'log_format' (did you mean logFormat?)"),
        ('{"NODES": []}', "unknown key 'NODES' (did you mean nodes?)"),
        ('{"": 1}', "unknown key ''"),
        ('{"\\u001b[2J": 1}', "unknown key '\\x1b[2J'"),
        ('{"limits": 1}', "limits: expected an object, got 1"),
        ('{"limits": {"name": 1}}', "unknown key 'limits.name'"),
        ('{"limits": {"steams": 1}}', "unknown key 'limits.steams' (did you mean limits.streams?)"),
        ('{"limits.streams": 1}', "unknown key 'limits.streams' (did you mean limits?)"),
        ('{"name": "a", "name": "b"}', "duplicate key 'name'"),
        ("[]", "expected an object of settings, got an array"),
        ("null", "expected an object of settings, got null"),
        ('"nodes"', "expected an object of settings, got 'nodes'"),
        ("", "not JSON: expecting value at line 1, column 1"),
        ('{"mode":\n  pull}', "not JSON: expecting value at line 2, column 3"),
        ('{"a', "not JSON: unterminated string starting at line 1, column 2"),
        ('{"name": "a\tb"}', "not JSON: invalid control character at line 1, column 12"),
        ("{} {}", "not JSON: extra data at line 1, column 4"),
        ('{"name": "a"', "not JSON: the text ends too early at line 1, column 13"),
        ('{"interval": 05}', "not JSON: malformed number at line 1, column 15"),
        ('{"nodes": ["kyle"}', "not JSON: the wrong bracket at line 1, column 18"),
        ("[" * 200_000, "nested too deeply"),
        ('{"interval": ' + "1" * 5000 + "}", "a number in it is too long"),
    ],
)
def test_an_error_in_the_file_is_one_line_that_names_the_place(file: str, says: str) -> None:
    assert error_for(file.encode()) == f"conf.json: {says}"


def test_a_file_that_is_not_utf_8_is_refused_with_the_line_number() -> None:
    assert error_for(b'{\n"name": "\xff"}') == "conf.json: not UTF-8 text at line 2"


def test_a_byte_order_mark_is_ignored() -> None:
    assert read(b'\xef\xbb\xbf{"mode": "push"}') == {"mode": "push"}


@pytest.mark.parametrize(
    ("site", "found"),
    [(None, ["a:1", "b:2"]), ("eu", ["a:1", "b:2", "hub:4222", "[::1]:5"])],
)
def test_the_others_of_a_site_are_where_its_backplane_is(
    site: str | None, found: list[str]
) -> None:
    settings = Settings(
        name="kenny",
        join=(Address("a", 1),),
        nodes=(Address("b", 2),),
        backplane=("nats://hub:4222", "tls://[::1]:5"),
        site=site,
    )
    assert [str(one) for one in settings.elsewhere] == found
