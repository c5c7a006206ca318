"""Which program a unit can start."""

import os
from pathlib import Path

import pytest

from nodnod_agent.service.program import why_not_lasting, why_not_reachable


@pytest.mark.parametrize(
    "environment",
    [
        "/root/.cache/uv/archive-v0/Xy3",
        "/home/kyle/.cache/pipx/5f3a",
        "/home/kyle/.local/share/pipx/.cache/5f3a",
        "/tmp/venv",
        "/var/tmp/venv",
    ],
)
def test_an_environment_that_will_vanish_is_refused(environment: str) -> None:
    assert "emptied" in why_not_lasting(Path(environment))


def test_a_cache_is_known_by_its_tag_whatever_its_name_is(tmp_path: Path) -> None:
    (tmp_path / "CACHEDIR.TAG").touch()

    assert f"is in a cache ({tmp_path})" in why_not_lasting(tmp_path / "archive-v0" / "Xy3")


@pytest.mark.parametrize(
    "environment",
    [
        "/opt/nodnod",
        "/opt/pipx/venvs/nodnod-agent",
        "/home/kyle/.local/share/pipx/venvs/nodnod-agent",
        "/home/kyle/.local/share/uv/tools/nodnod-agent",
    ],
)
def test_an_environment_that_stays_is_taken(environment: str) -> None:
    assert why_not_lasting(Path(environment)) == ""


def test_the_tag_that_uv_puts_into_each_environment_does_not_count(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("nodnod_agent.service.program._TEMPORARY", ())
    (tmp_path / "CACHEDIR.TAG").touch()

    assert why_not_lasting(tmp_path) == ""


def test_a_program_behind_a_closed_directory_is_not_reachable(tmp_path: Path) -> None:
    program = tmp_path / "closed" / "bin" / "nodnod-agent"
    program.parent.mkdir(parents=True)
    program.touch(0o755)
    (tmp_path / "closed").chmod(0o700)

    assert "is closed to other users (mode 0700)" in why_not_reachable(program)


def test_a_program_of_the_system_is_reachable() -> None:
    assert why_not_reachable(Path(os.path.realpath("/bin/sh"))) == ""
