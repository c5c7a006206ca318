"""The process that bench/hostile.py runs in: it gives way to all others, and ends with us."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from bench.harness.processes import script, spawn
from nodnod_client.address import Address

HOSTILE = Path(__file__).parents[1] / "hostile.py"


class Attack:
    """So many hostile connections to ``server``, for ``span`` seconds from now."""

    def __init__(self, server: Address, kinds: Sequence[str], count: int, span: float) -> None:
        flags = [f"--server={server}", f"--count={count}", f"--seconds={span}", "--kinds", *kinds]
        self._process = spawn(script(HOSTILE, *flags), stdout=subprocess.PIPE)

    def end(self) -> dict[str, dict[str, int]]:
        """Wait for its end; how often each kind connected and was cut."""
        with self._process as process:
            assert process.stdout is not None
            counts: dict[str, dict[str, int]] = json.load(process.stdout)
        return counts

    def kill(self) -> None:
        """End it now, which ends every ``end`` too."""
        self._process.kill()
        self._process.wait()
