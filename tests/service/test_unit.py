"""The unit that is written: that of the examples, for another program or for one user."""

import os
import subprocess
from pathlib import Path

import pytest

from live.tools import tool
from nodnod_agent.service.unit import NAME, is_changed, unit

EXAMPLE = (Path(__file__).parents[2] / "examples" / "systemd" / NAME).read_text()
PROGRAM = Path("/srv/my agent/50%/nodnod-agent")
CONFIG = Path("/etc/nodnod/config.json")


def settings(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_the_unit_of_the_system_is_the_example_with_another_program() -> None:
    changed = [line for line in settings(unit(PROGRAM, CONFIG, user=False)) if line not in EXAMPLE]

    assert changed == [
        'ExecStart="/srv/my agent/50%%/nodnod-agent" --config /etc/nodnod/config.json'
    ]


@pytest.mark.parametrize("user", [False, True])
def test_systemd_takes_the_unit(user: bool, tmp_path: Path) -> None:
    program = tmp_path / "my agent 50%" / "nodnod-agent"
    program.parent.mkdir()
    program.touch(0o755)
    (tmp_path / NAME).write_text(unit(program, CONFIG, user=user))
    analyze = tool("systemd-analyze", "systemd")
    # The manager of a user wants a place for its sockets.
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}

    done = subprocess.run(
        [analyze, *(["--user"] if user else []), "verify", str(tmp_path / NAME)],
        capture_output=True,
        text=True,
        env=environment,
    )

    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_unit_of_a_user_keeps_what_needs_no_rights() -> None:
    kept = settings(unit(PROGRAM, CONFIG, user=True))

    assert {"NoNewPrivileges=yes", "Restart=on-failure", "WantedBy=default.target"} <= set(kept)
    assert not {line for line in kept if line.startswith(("User=", "Protect", "Private"))}


def test_a_unit_that_was_changed_is_known() -> None:
    text = unit(PROGRAM, CONFIG, user=False)

    assert not is_changed(text)
    assert is_changed(text.replace("MemoryMax=512M", "MemoryMax=1G"))
    assert is_changed(EXAMPLE)
