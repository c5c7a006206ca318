"""What to try while the demo runs, as one would type it here."""

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from nodnod_client.address import Address


def hints(agents: Sequence[tuple[Address, int]]) -> str:
    """Say how to ask these agents, each given by its address and process id."""
    first, (last, process) = agents[0][0], agents[-1]
    lines = [
        "",
        "All see all. From another terminal, ask any of them for the whole cluster:",
        f"  {_nodnod()} stat --server {first}",
        f"  {_nodnod()} stat --server {last} --watch 1",
    ]
    if Path("examples/dial.py").is_file():
        lines.append(f"  {_python()} examples/dial.py --server {last}")
    lines += [
        f'  any WebSocket client: ws://{last}/ answers to {{"type": 1, "statType": 0}}',
        f"In a browser, the dashboard: http://{first}/",
        f"Try `kill -9 {process}` and watch. Ctrl-C ends them all.",
        "",
    ]
    return "\n".join(lines)


def _nodnod() -> str:
    if shutil.which("nodnod"):
        return "nodnod"
    beside = Path(sys.executable).parent / "nodnod"
    return _near(beside) if beside.is_file() else f"{_python()} -m nodnod_agent.console.main"


def _python() -> str:
    named = shutil.which("python")
    same = named is not None and Path(named).absolute() == Path(sys.executable).absolute()
    return "python" if same else _near(Path(sys.executable))


def _near(path: Path) -> str:
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
