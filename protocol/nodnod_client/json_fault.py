"""Where and why a text is not JSON, in words that lead to the fault.

The parsers' own messages can mislead. msgspec calls an unpaired surrogate truncated input, and counts
the bytes of bad UTF-8 from the start of a string. The standard library misses a comma where a number
is malformed, a bracket is the wrong one, or the text ends.
"""

import json
import re
from json import JSONDecodeError

LONGEST = 64 * 1024
"""Bytes of a text that is examined: reading a longer one again would stop the event loop."""

_SPACE = " \t\r\n"
_MALFORMED_NUMBER = re.compile(r"\d[\d.eE+xX_]")
_NO_NUMBER = re.compile(r'"(?:[^"\\]|\\.)*"|(?P<fault>NaN|-?Infinity)')
_HALF = re.compile(
    r"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|(?P<fault>u[dD][89a-fA-F]..)|.)", re.DOTALL
)


def json_fault(data: bytes) -> str:
    """The first fault of a text, with line and column; empty if there is none, or it is too long."""
    if len(data) > LONGEST:
        return ""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        return _located("bytes that are not utf-8", data[: error.start].decode(), error.start)
    try:
        # Numbers stay text: a long one takes time to convert, or is refused.
        json.loads(text, parse_int=str, parse_float=str)
    except JSONDecodeError as error:
        what = "trailing characters" if error.msg == "Extra data" else explain(error)
        return _located(what, text, error.pos)
    except RecursionError:
        return "nested too deeply"
    for what, pattern in (
        ("a number that JSON does not have", _NO_NUMBER),
        ("a \\u escape for half a character", _HALF),
    ):
        for found in pattern.finditer(text):
            if found["fault"]:
                return _located(what, text, found.start())
    return ""


def explain(error: JSONDecodeError) -> str:
    """What is wrong at the place that the standard library's error names."""
    before, after = error.doc[: error.pos].rstrip(_SPACE), error.doc[error.pos :].lstrip(_SPACE)
    if before and not after:
        return "the text ends too early"
    if error.msg.startswith("Illegal trailing comma") or (before[-1:] == "," and after[0] in "]}"):
        return "trailing comma"
    if error.msg.startswith("Expecting ','"):
        if _MALFORMED_NUMBER.match(error.doc, error.pos - 1):
            return "malformed number"
        if after[0] in "]}":
            return "the wrong bracket"
    if "BOM" in error.msg:
        return "a byte order mark"
    return (error.msg[:1].lower() + error.msg[1:]).removesuffix(" at").removesuffix(": ")


def _located(what: str, text: str, start: int) -> str:
    column = start - text.rfind("\n", 0, start)
    return f"{what} at line {text.count(chr(10), 0, start) + 1}, column {column}"
