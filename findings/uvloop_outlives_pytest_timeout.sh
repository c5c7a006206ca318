#!/usr/bin/env bash
# pytest-timeout 2.4.0 with uvloop 0.22.1: the timeout, whose default method is a signal, does not end a test that waits
# in uvloop. The error that the signal's handler raises is logged by the loop, which goes on; the test takes as long as it likes,
# and passes. One that waits for ever hangs the whole run. In asyncio's own loop it fails after its timeout. With
# `timeout_method = thread` it ends, and the whole process with it.
#
# Valid input: two tests of 5 s each with a timeout of 1 s. Output:
#     asyncio: failed by its timeout
#     uvloop: passed
#     uvloop, method thread: ended
# Status 0 while this is so, 1 when it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pytest==8.4.2 pytest-timeout==2.4.0 uvloop==0.22.1

cat > "$folder/test_wait.py" << 'PYTHON'
import asyncio

import pytest
import uvloop


@pytest.mark.timeout(1)
def test_asyncio():
    asyncio.run(asyncio.sleep(5))


@pytest.mark.timeout(1)
def test_uvloop():
    uvloop.run(asyncio.sleep(5))
PYTHON
status=0
check() {
    name=$1 test=$2 expected=$3
    shift 3
    "$folder/venv/bin/python" -m pytest -q -p no:cacheprovider --rootdir "$folder" "$@" "$folder/test_wait.py::$test" \
        > "$folder/log" 2>&1 || true
    said=ended
    grep -q "1 passed" "$folder/log" && said=passed
    grep -q "1 failed" "$folder/log" && grep -q "Failed: Timeout" "$folder/log" && said="failed by its timeout"
    echo "$name: $said"
    [ "$said" = "$expected" ] || status=1
}
check asyncio test_asyncio "failed by its timeout"
check uvloop test_uvloop passed
check "uvloop, method thread" test_uvloop ended -o timeout_method=thread
exit $status
