"""Whatever the configuration says: settings, or one line that tells where the fault is."""

import json
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nodnod_agent.cli import FLAGS, read_flags
from nodnod_agent.config.settings import SETTINGS, Settings
from nodnod_agent.config.sources import gather
from nodnod_agent.config.validators import ConfigError
from nodnod_agent.log.format import printable
from strategies import documents, examples, json_values, odd_values

SECRET = "correct-horse-battery-staple"
"""Stands where somebody has written the secret itself instead of where it is to be found."""

RIGHT: dict[str, Any] = {
    "name": "kyle",
    "listen": "[::1]:0",
    "nodes": ["10.0.0.1", "kyle:1"],
    "join": ["stan"],
    "advertise": "10.0.0.1:8080",
    "mode": "push",
    "interval": 2,
    "debug": True,
    "logFormat": "json",
    "auth": {"secrets": ["env:SECRET", "file:/run/secret"]},
    "allowedOrigins": ["https://example.org"],
    "allowedHosts": ["example.org"],
    "tls": {"cert": "cert.pem", "key": "key.pem", "ca": "ca.pem", "requireClientCert": True},
    "limits": {
        "connections": 10,
        "handshake": 5,
        "unauthenticated": 10,
        "clientMessage": 2048,
        "peerMessage": 1e6,
        "inFlight": 10,
        "streams": 0,
        "unread": 1e6,
        "unreadFor": 1,
        "controlFrames": 10,
    },
}
KEYS = [*RIGHT, *(row.key for row in SETTINGS), "nods", "", "a.b", "auth.secret", "\0"]


@st.composite
def written(draw: st.DrawFn) -> dict[str, Any]:
    """A document of settings, of which one may be something else."""
    chosen = draw(st.sets(st.sampled_from(sorted(RIGHT))))
    document = {key: RIGHT[key] for key in sorted(chosen)}
    if draw(st.booleans()):
        key = draw(st.sampled_from(KEYS))
        inner = RIGHT.get(key)
        if isinstance(inner, dict):
            keys = st.sampled_from([*inner, "more", ""])
            document[key] = inner | draw(st.dictionaries(keys, odd_values | json_values))
        else:
            document[key] = draw(odd_values | json_values)
    return document


words = st.sampled_from(
    [
        "",
        "1",
        "yes",
        "kyle",
        "10.0.0.1:7070",
        ",",
        "nan",
        "1e999",
        "push",
        "\0",
        "\x1b[2J",
        "☃" * 300,
    ]
)
variables = st.dictionaries(st.sampled_from([row.variable for row in SETTINGS]), words | st.text())
flags = st.dictionaries(
    st.sampled_from([r.field for r in SETTINGS if r.is_flag]), words | st.text()
)
PLACES = (
    "conf.json: ",
    *(f"--{row.flag}" for row in SETTINGS),
    *(row.variable for row in SETTINGS),
)


def fault(file: bytes | None, environment: dict[str, str] | None = None, given: Any = None) -> str:
    """What is wrong with settings, or nothing."""
    try:
        found = gather(given or {}, environment or {}, file, "conf.json")
        Settings(**{"name": "kyle", **found.values})
    except ConfigError as error:
        return str(error)
    return ""


def test_what_the_faults_are_made_of_is_right() -> None:
    assert fault(json.dumps(RIGHT).encode()) == ""
    assert set(flat(RIGHT)) == {row.key for row in SETTINGS}


def flat(document: dict[str, Any]) -> list[str]:
    nested = {key: value for key, value in document.items() if isinstance(value, dict)}
    inner = [f"{key}.{name}" for key, value in nested.items() for name in value]
    return [*(key for key in document if key not in nested), *inner]


@examples(300)
@given(documents(written()))
def test_any_file_is_settings_or_one_short_printable_line_that_names_it(file: bytes) -> None:
    found = fault(file)
    assert found.isprintable()
    assert len(found) < 250
    assert not found or found.startswith("conf.json: ")


@examples(300)
@given(written(), variables, flags)
def test_any_settings_from_anywhere_are_right_or_one_line_begins_with_the_place(
    document: dict[str, Any], variables: dict[str, str], flags: dict[str, str]
) -> None:
    found = fault(json.dumps(document).encode(), variables, flags)
    assert found.isprintable()
    assert len(found) < 250
    assert not found or found.startswith(PLACES)


secrets = st.sampled_from(
    [SECRET, f"env:{SECRET}!", f"file:\0{SECRET}", f"ENV:{SECRET}", f"{SECRET}\n"]
)


@examples(200)
@given(
    wrong=secrets,
    place=st.sampled_from(
        [
            lambda wrong: {"auth": wrong},
            lambda wrong: {"auth": [wrong]},
            lambda wrong: {"auth": {"secrets": wrong}},
            lambda wrong: {"auth": {"secrets": [wrong]}},
            lambda wrong: {"auth": {"secrets": ["env:A", wrong]}},
            lambda wrong: {"auth": {"secrets": {"": wrong}}},
            lambda wrong: {"auth": {"secrets": [[wrong]]}},
            lambda wrong: {"auth": {"secret": wrong}},
            lambda wrong: {"auth.secrets": [wrong]},
            lambda wrong: {"secrets": [wrong]},
        ]
    ),
    document=written(),
)
def test_a_secret_in_the_wrong_place_is_not_shown(
    wrong: str, place: Callable[[str], dict[str, Any]], document: dict[str, Any]
) -> None:
    alone = fault(json.dumps(place(wrong)).encode())
    beside = fault(json.dumps(document | place(wrong)).encode())
    variable = fault(None, {"NODNOD_AUTH_SECRETS": wrong})
    assert alone
    assert beside
    assert variable
    assert all(SECRET not in told for told in (alone, beside, variable))


arguments = st.one_of(
    st.sampled_from([f"--{name}" for name in FLAGS]),
    st.sampled_from(["-", "--", "---name", "-name=", "--=", "-h", "-c", "--auth-secrets", "kyle"]),
    st.builds("--{}={}".format, st.sampled_from([*FLAGS, "nam", "\x1b[2J"]), st.text(max_size=300)),
    st.text(max_size=300),
)


def misuse(arguments: list[str]) -> str:
    """What is wrong with a command line, or nothing."""
    try:
        found = read_flags(arguments)
    except ConfigError as error:
        return printable(str(error))
    assert found.keys() <= {flag.field for flag in FLAGS.values()}
    return ""


@examples(300)
@given(st.lists(arguments, max_size=5))
def test_any_arguments_are_flags_or_one_line_that_a_terminal_can_show(arguments: list[str]) -> None:
    told = misuse(arguments)
    assert told.isprintable()
    assert len(told) < 250
