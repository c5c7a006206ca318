"""Secrets: where they may be, what they must be, and that no complaint shows one."""

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


def complaint(*references: str, **environment: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read_secrets(references, environment)
    text = str(caught.value)
    assert GOOD[:8] not in text
    return text


def test_a_secret_is_read_from_the_environment() -> None:
    assert read_secrets(["env:S"], {"S": f" {GOOD}\n"}) == (GOOD.encode(),)


def test_a_secret_is_read_from_a_file_without_its_line_break(path: Path) -> None:
    assert read_secrets([f"file:{path}"], {}) == (GOOD.encode(),)


def test_secrets_keep_their_order(path: Path) -> None:
    found = read_secrets(["env:S", f"file:{path}"], {"S": OTHER})
    assert found == (OTHER.encode(), GOOD.encode())


def test_a_variable_that_is_not_set_or_empty_is_named() -> None:
    says = "auth.secrets[1]: the environment variable T is not set"
    assert complaint("env:S", "env:T", S=GOOD) == says
    assert complaint("env:S", "env:T", S=GOOD, T="") == says


@pytest.mark.parametrize("length", [1, 31, 4097])
def test_a_secret_that_is_too_short_or_long_is_refused(length: int) -> None:
    says = (
        f"auth.secrets[0]: expected 32 to 4096 bytes, as `nodnod secret` makes them, got {length}"
    )
    assert complaint("env:S", S="x" * length) == says


@pytest.mark.parametrize("begins", ["-----BEGIN PRIVATE KEY-----", "ssh-ed25519 "])
def test_the_file_of_a_key_pair_is_no_secret(begins: str) -> None:
    assert "a key for something else" in complaint("env:S", S=begins + GOOD)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_no_part_of_a_secret_and_refused(path: Path, encoding: str) -> None:
    path.write_text(f"{GOOD}\n", encoding=encoding)
    says = (
        f"auth.secrets[0]: {path}: begins with a byte order mark, which would be part of the "
        "secret: save it without"
    )
    assert complaint(f"file:{path}") == says


@pytest.mark.parametrize("mode", [0o400, 0o440, 0o600, 0o640])
def test_a_file_that_only_its_owner_and_group_may_read_is_taken(path: Path, mode: int) -> None:
    path.chmod(mode)
    assert read_secrets([f"file:{path}"], {}) == (GOOD.encode(),)


@pytest.mark.parametrize(
    ("mode", "fault"),
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
def test_a_file_with_a_looser_mode_is_refused_for_what_it_allows(
    path: Path, mode: int, fault: str
) -> None:
    path.chmod(mode)
    says = f"auth.secrets[0]: {path}: {fault}: mode {mode:04o}, chmod it to 0640"
    assert complaint(f"file:{path}") == says


def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert complaint(f"file:{tmp_path}/pipe").endswith("/pipe: not a file")
    assert complaint(f"file:{tmp_path}").endswith(": not a file")
    assert complaint("file:/nowhere") == "auth.secrets[0]: /nowhere: no such file or directory"


def test_a_path_cannot_write_to_a_terminal() -> None:
    assert complaint("file:/no\x1bwhere").isprintable()
