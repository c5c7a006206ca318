"""The bytes that processes send and receive over TCP, as `ss` of iproute2 tells them; Linux only."""

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Collection

COMMAND = ("ss", "--tcp", "--info", "--numeric", "--processes", "--no-header", "--oneline")
_SOCKET = re.compile(r"\S+ +\S+ +\S+ +\S+:(\d+) +users:\(.*?pid=(\d+),")
_BYTES = re.compile(r"bytes_(?:sent|received):(\d+)")


def payload(pids: Collection[int], port: int | None = None) -> dict[int, int] | None:
    """Bytes without headers that each process has sent and received over its open connections.

    With ``port`` only over those to that port. ``None`` where there is no `ss`.
    """
    if shutil.which(COMMAND[0]) is None:
        return None
    found = Counter(dict.fromkeys(pids, 0))
    command = [*COMMAND, "state", "established"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for line in listed.splitlines():
        socket = _SOCKET.match(line)
        if socket is None or int(socket[2]) not in found:
            continue
        if port is None or int(socket[1]) == port:
            found[int(socket[2])] += sum(map(int, _BYTES.findall(line)))
    return dict(found)
