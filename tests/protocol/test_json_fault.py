import json

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nodnod_client.json_fault import LONGEST, explain, json_fault
from strategies import documents, examples, json_values

objects = st.dictionaries(st.text(max_size=5), json_values, max_size=6)
HALF = "a \\u escape for half a character"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (r'{"nodes": ["\ud83d"]}', f"{HALF} at line 1, column 13"),
        (r'{"nodes": ["\ude00"]}', f"{HALF} at line 1, column 13"),
        (r'{"nodes": ["\uD83D\u0041"]}', f"{HALF} at line 1, column 13"),
        (r'{"nodes": ["\ud83d\ude00\ud83d"]}', f"{HALF} at line 1, column 25"),
        (r'{"\\ud83d": "\ud83d"}', f"{HALF} at line 1, column 14"),
        ('{"timeout": NaN}', "a number that JSON does not have at line 1, column 13"),
        ('{"NaN \\" NaN": -Infinity}', "a number that JSON does not have at line 1, column 16"),
        ("", "expecting value at line 1, column 1"),
        ("hello", "expecting value at line 1, column 1"),
        ('{"id": 5', "the text ends too early at line 1, column 9"),
        ('{\n"nodes": [', "the text ends too early at line 2, column 11"),
        ('{"id": "x', "unterminated string starting at line 1, column 8"),
        ('{"id": 05}', "malformed number at line 1, column 9"),
        ('{"id": 5.}', "malformed number at line 1, column 9"),
        ('{"id": 0x5}', "malformed number at line 1, column 9"),
        ('{"id": 5 "every": 1}', "expecting ',' delimiter at line 1, column 10"),
        ('{"nodes": ["a"}', "the wrong bracket at line 1, column 15"),
        ('{"id": 5} x', "trailing characters at line 1, column 11"),
        ('{"id": "a\tb"}', "invalid control character at line 1, column 10"),
        (r'{"id": "\x"}', r"invalid \escape at line 1, column 9"),
        (r'{"id": "\u12"}', r"invalid \uXXXX escape at line 1, column 10"),
        ("\ufeff{}", "a byte order mark at line 1, column 1"),
    ],
)
def test_the_first_fault_is_named_with_its_place(text: str, fault: str) -> None:
    assert json_fault(text.encode()) == fault


@pytest.mark.parametrize("text", ["[1,]", '{"a": 1,}', '{"a": [1, ], "b": 2}'])
def test_a_trailing_comma_is_named_as_such_by_every_python(text: str) -> None:
    assert json_fault(text.encode()).startswith("trailing comma at line 1, column ")


def test_bytes_that_are_not_utf_8_are_counted_from_the_start_of_the_text() -> None:
    assert json_fault(b'{"a": 1,\n"b": "\xff"}') == "bytes that are not utf-8 at line 2, column 7"
    assert json_fault(b'{"\xed\xa0\xbd": 1}') == "bytes that are not utf-8 at line 1, column 3"


@pytest.mark.parametrize("text", [r'"\ud83d\ude00 \\ud83d NaN \""', "[" + "9" * 5000 + ", 1e999]"])
def test_json_has_no_fault(text: str) -> None:
    assert json_fault(text.encode()) == ""


def test_a_text_that_is_nested_too_deeply_has_no_place() -> None:
    assert json_fault(b"[" * 60_000) == "nested too deeply"


def test_a_text_that_is_too_long_to_look_at_has_no_fault() -> None:
    assert json_fault(b"[" + b" " * LONGEST) == ""


@examples(300)
@given(data=documents(objects))
@example(data=b'{"a":1')
@example(data=b"1" * 5000 + b"{}")
def test_any_text_has_a_fault_if_and_only_if_the_parser_refuses_it(data: bytes) -> None:
    try:
        msgspec.json.decode(data)
    except msgspec.ValidationError:  # a number that is too large: it looks no further
        return
    except (msgspec.DecodeError, UnicodeDecodeError):
        refused = True
    else:
        refused = False
    assert bool(json_fault(data)) is refused


def test_the_message_of_an_error_without_a_better_word_is_kept() -> None:
    assert explain(json.JSONDecodeError("Expecting value", "x", 0)) == "expecting value"
