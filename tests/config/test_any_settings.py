"""Any configuration gives settings, or a one-line error that names the place."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from config.documents import FULL
from nodnod_agent.cli import FLAGS, read_flags
from nodnod_agent.config.settings import SETTINGS, Settings
from nodnod_agent.config.sources import gather
from nodnod_agent.config.validators import ConfigError
from nodnod_agent.log.format import printable
from strategies import documents, examples, json_values, odd_values

KEYS = [*FULL, *(row.key for row in SETTINGS), "nods", "", "a.b", "auth.secret", "\0"]


@st.composite
def written(draw: st.DrawFn) -> dict[str, Any]:
    """A document of settings, one of which may be wrong."""
    chosen = draw(st.sets(st.sampled_from(sorted(FULL))))
    document = {key: FULL[key] for key in sorted(chosen)}
    if draw(st.booleans()):
        key = draw(st.sampled_from(KEYS))
        inner = FULL.get(key)
        if isinstance(inner, dict):
            keys = st.sampled_from([*inner, "more", ""])
            document[key] = inner | draw(st.dictionaries(keys, odd_values | json_values))
        else:
            document[key] = draw(odd_values | json_values)
    return document


words = st.sampled_from(
    [
        *("", "1", "yes", "kyle", "10.0.0.1:7070", ",", "nan", "1e999"),
        *("push", "\0", "\x1b[2J", "☃" * 300),
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


def error_in(file: bytes, environment: dict[str, str], given: dict[str, str]) -> str:
    """The error in settings, or an empty text."""
    try:
        found = gather(given, environment, file, "conf.json")
        Settings(**{"name": "kyle", **found.values})
    except ConfigError as error:
        return str(error)
    return ""


@examples(300)
@given(documents(written()))
def test_any_file_gives_settings_or_one_short_printable_line_that_names_it(file: bytes) -> None:
    found = error_in(file, {}, {})
    assert found.isprintable()
    assert len(found) < 250
    assert not found or found.startswith("conf.json: ")


@examples(300)
@given(written(), variables, flags)
def test_any_sources_give_settings_or_one_line_that_begins_with_the_place(
    document: dict[str, Any], variables: dict[str, str], flags: dict[str, str]
) -> None:
    found = error_in(json.dumps(document).encode(), variables, flags)
    assert found.isprintable()
    assert len(found) < 250
    assert not found or found.startswith(PLACES)


arguments = st.one_of(
    st.sampled_from([f"--{name}" for name in FLAGS]),
    st.sampled_from(["-", "--", "---name", "-name=", "--=", "-h", "-c", "--auth-secrets", "kyle"]),
    st.builds("--{}={}".format, st.sampled_from([*FLAGS, "nam", "\x1b[2J"]), st.text(max_size=300)),
    st.text(max_size=300),
)


def usage_error(arguments: list[str]) -> str:
    """The error in a command line, or an empty text."""
    try:
        found = read_flags(arguments)
    except ConfigError as error:
        return printable(str(error))
    assert found.keys() <= {flag.field for flag in FLAGS.values()}
    return ""


@examples(300)
@given(st.lists(arguments, max_size=5))
def test_any_arguments_give_flags_or_one_short_printable_line(arguments: list[str]) -> None:
    error = usage_error(arguments)
    assert error.isprintable()
    assert len(error) < 250
