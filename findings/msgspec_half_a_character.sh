#!/usr/bin/env bash
# msgspec 0.22.0 refuses a JSON text that the grammar of RFC 8259 allows, with a `\u` escape for one half
# of a surrogate pair, and says "Input data was truncated" where fewer than six bytes follow: the text
# is whole. With more bytes behind it the same escape has another message, and a place.
#
# Valid input: {"a": "\ud83d"}, and the same with four spaces at its end.
# Output:
#     {"a": "\ud83d"} -> Input data was truncated
#     {"a": "\ud83d"}     -> JSON is malformed: unexpected end of escaped utf-16 surrogate pair (byte 13)
# Status 0 while this is so, 1 when it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check msgspec==0.22.0

"$folder/venv/bin/python" - <<'PYTHON'
import json
import sys

import msgspec

seen = []
for text in (r'{"a": "\ud83d"}', r'{"a": "\ud83d"}    '):
    json.loads(text)  # the grammar allows it
    try:
        msgspec.json.decode(text)
        seen.append("accepted")
    except msgspec.DecodeError as error:
        seen.append(str(error))
    print(f"{text} -> {seen[-1]}")
expected = ["Input data was truncated", "JSON is malformed: unexpected end of escaped utf-16 surrogate pair"]
sys.exit(not all(map(str.startswith, seen, expected)))
PYTHON
