"""Secrets: where they may be stored, what they must be, and that no error shows one."""

import os
from pathlib import Path

import pytest

from nodnod_agent.auth.secrets import read_secrets
from nodnod_agent.config.validators import ConfigError

GOOD = "x" * 20 + "y" * 12
OTHER = "z" * 40


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text(f"{GOOD}\n")
    path.chmod(0o600)
    return path


def error_for(*references: str, **environment: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read_secrets(references, environment)
    text = str(caught.value)
    assert GOOD[:8] not in text
    return text


def test_secrets_are_read_in_order_without_surrounding_white_space(path: Path) -> None:
    found = read_secrets(["env:S", f"file:{path}"], {"S": f" {OTHER}\n"})
    assert found == (OTHER.encode(), GOOD.encode())


def test_an_unset_or_empty_variable_is_named_in_the_error() -> None:
    says = "auth.secrets[1]: the environment variable T is not set"
    assert error_for("env:S", "env:T", S=GOOD) == says
    assert error_for("env:S", "env:T", S=GOOD, T="") == says


@pytest.mark.parametrize("length", [1, 31, 4097])
def test_a_secret_that_is_too_short_or_too_long_is_refused(length: int) -> None:
    says = (
        f"auth.secrets[0]: expected 32 to 4096 bytes, as `nodnod secret` makes them, got {length}"
    )
    assert error_for("env:S", S="x" * length) == says


@pytest.mark.parametrize("begins", ["-----BEGIN PRIVATE KEY-----", "ssh-ed25519 "])
def test_a_key_of_a_key_pair_is_refused(begins: str) -> None:
    assert "a key for something else" in error_for("env:S", S=begins + GOOD)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_refused(path: Path, encoding: str) -> None:
    path.write_text(f"{GOOD}\n", encoding=encoding)
    says = (
        f"auth.secrets[0]: {path}: begins with a byte order mark, which would be part of the "
        "secret: save it without"
    )
    assert error_for(f"file:{path}") == says


@pytest.mark.parametrize("mode", [0o400, 0o440, 0o600, 0o640])
def test_a_file_that_only_its_owner_and_group_may_read_is_accepted(path: Path, mode: int) -> None:
    path.chmod(mode)
    assert read_secrets([f"file:{path}"], {}) == (GOOD.encode(),)


@pytest.mark.parametrize(
    ("mode", "problem"),
    [
        (0o604, "others may read it"),
        (0o644, "others may read it"),
        (0o666, "others may read it"),
        (0o777, "others may read it"),
        (0o642, "others may write it"),
        (0o620, "its group may write it"),
        (0o660, "its group may write it"),
        (0o641, "others may execute it"),
        (0o650, "its group may execute it"),
    ],
)
def test_a_file_with_a_looser_mode_is_refused(path: Path, mode: int, problem: str) -> None:
    path.chmod(mode)
    says = f"auth.secrets[0]: {path}: {problem}: mode {mode:04o}, chmod it to 0640"
    assert error_for(f"file:{path}") == says


def test_a_pipe_a_directory_and_a_missing_file_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert error_for(f"file:{tmp_path}/pipe").endswith("/pipe: not a file")
    assert error_for(f"file:{tmp_path}").endswith(": not a file")
    assert error_for("file:/nowhere") == "auth.secrets[0]: /nowhere: no such file or directory"


def test_control_characters_of_a_path_are_escaped_in_the_error() -> None:
    assert error_for("file:/no\x1bwhere").isprintable()
