"""The process that bench/hostile.py runs in: it gives way to all others, and ends with us.

To all others of our session: Linux shares the processors out between sessions first.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.harness.parent_watchdog import leash
from nodnod_client.address import Address

SCRIPT = Path(__file__).parents[1] / "hostile.py"


class Attack:
    """So many hostile connections to ``server``, for ``span`` seconds from now."""

    def __init__(self, server: Address, kinds: Sequence[str], count: int, span: float) -> None:
        flags = [f"--server={server}", f"--count={count}", f"--seconds={span}", "--kinds", *kinds]
        self._process = subprocess.Popen(
            [sys.executable, str(SCRIPT), *flags],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            process_group=0,
            preexec_fn=leash(),
        )

    def end(self) -> dict[str, dict[str, int]]:
        """Wait for its end; how often each kind came and was cut."""
        out, _ = self._process.communicate(timeout=120)
        counts: dict[str, dict[str, int]] = json.loads(out)
        return counts

    def kill(self) -> None:
        """End it now; somebody may be waiting for its end."""
        self._process.kill()
        self._process.wait()
