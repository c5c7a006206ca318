"""``nodnod completion``: scripts that are valid in their shells and complete."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nodnod_agent.console.completion import SHELLS
from nodnod_agent.console.main import COMMANDS, main


def script(shell: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["completion", shell]) == 0
    return capsys.readouterr().out


def completed(script: str, tmp_path: Path, *words: str) -> list[str]:
    """Return what bash offers for the last of these words."""
    if shutil.which("bash") is None:
        pytest.skip("no bash here")
    file = tmp_path / "nodnod.bash"
    file.write_text(script)
    ask = (
        'set -eu; source "$1"; shift; complete -p nodnod >&2; COMP_WORDS=("$@");'
        " COMP_CWORD=$(($# - 1)); set +eu; _shtab_nodnod;"
        ' printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", ask, "-", str(file), *words],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert "-F _shtab_nodnod nodnod" in done.stderr
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ([""], [command.name for command in COMMANDS]),
        (["me"], ["members"]),
        (["members", "--ag"], ["--agree"]),
        (["check", "--min"], ["--min-nodes"]),
        (["stat", "--json", "--eve"], ["--every"]),
        (["top", "--ce"], ["--cert"]),
        (["completion", ""], ["bash", "zsh", "fish"]),
    ],
)
def test_bash_completes_commands_flags_and_choices(
    words: list[str], offered: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    completions = completed(script("bash", capsys), tmp_path, "nodnod", *words)
    assert sorted(completions) == sorted(offered)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_is_valid_and_names_every_command(
    shell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = script(shell, capsys)
    for command in COMMANDS:
        assert command.name in text
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"no {shell} here")
    file = tmp_path / "script"
    file.write_text(text)
    done = subprocess.run([program, "-n", str(file)], capture_output=True, timeout=20, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_no_value_of_the_environment_is_in_a_script(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NODNOD_TOKEN", "abc.def.ghi")
    monkeypatch.setenv("NODNOD_SERVER", "10.20.30.40:7071")
    for shell in SHELLS:
        text = script(shell, capsys)
        assert "abc.def.ghi" not in text
        assert "10.20.30.40" not in text


@pytest.mark.parametrize(
    ("argv", "imported"), [("stat --server 127.0.0.1:1", False), ("completion bash", True)]
)
def test_only_completion_imports_shtab(argv: str, imported: bool) -> None:
    code = (
        "import sys; from nodnod_agent.console.main import main; assert 'shtab' not in sys.modules;"
        "main(sys.argv[1:]); sys.exit('shtab' in sys.modules)"
    )
    command = [sys.executable, "-c", code, *argv.split()]
    done = subprocess.run(command, capture_output=True, timeout=40, check=False)
    assert done.returncode == imported, done.stderr
