#!/usr/bin/env bash
# nkeys 0.2.1 (of NATS): from_seed() takes no notice of the checksum at the end of a seed. A seed with one
# wrong letter gives another key, whose public part no server knows, and no error; the user sees "authorization
# violation" and looks for the fault in the server. The format has the checksum for this: the package of the same name
# for Go, where the format comes from, refuses such a seed (decode in strkey.go).
#
# Valid input: a seed that the package has encoded itself; invalid input: the same with one letter replaced.
# Output:
#     as encoded: the key of the seed
#     one letter replaced: another key, no error
# Status 0 while this is so, 1 when it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check nkeys==0.2.1

"$folder/venv/bin/python" - <<'PYTHON'
import sys

import nkeys

raw = bytes(range(32))
seed = nkeys.encode_seed(raw, nkeys.PREFIX_BYTE_USER).decode()
public = nkeys.from_seed(bytearray(seed.encode())).public_key
wrong = seed[:20] + ("A" if seed[20] != "A" else "B") + seed[21:]
print("as encoded: the key of the seed")
try:
    other = nkeys.from_seed(bytearray(wrong.encode())).public_key
except nkeys.NkeysError as error:
    print(f"one letter replaced: refused: {error}")
    sys.exit(1)
print(f"one letter replaced: {'the same' if other == public else 'another'} key, no error")
sys.exit(other == public)
PYTHON
