"""``nodnod secret`` and ``nodnod token``, and the flags that let one in."""

import json
import stat
import time
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from doubles.certificates import Authority
from nodnod_agent.auth.secrets import MIN_BYTES, read_secrets
from nodnod_agent.console.main import main

SECRET = "a secret of this cluster, and no other"


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither the configuration nor the environment of whoever runs the tests counts."""
    monkeypatch.chdir(tmp_path)
    for name in ("TOKEN", "CA", "CERT", "KEY", "CONFIG", "AUTH_SECRETS", "SERVER"):
        monkeypatch.delenv(f"NODNOD_{name}", raising=False)
    monkeypatch.setenv("SECRET", SECRET)


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    status = main(argv)
    return status, *capsys.readouterr()


# Secrets.


def test_secrets_are_long_enough_and_never_alike(capsys: pytest.CaptureFixture[str]) -> None:
    made = {run(capsys, "secret") for _ in range(10)}
    assert len(made) == 10
    for status, out, err in made:
        assert (status, err) == (0, "")
        assert read_secrets(["env:S"], {"S": out})
        assert len(out.strip()) >= MIN_BYTES


def test_a_secret_in_a_file_is_good_for_an_agent_and_nobody_else_reads_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(capsys, "secret", "--file", "s") == (0, "", "")
    assert stat.S_IMODE(Path("s").stat().st_mode) == 0o600
    assert read_secrets(["file:s"], {})


def test_a_secret_is_never_written_over_another(capsys: pytest.CaptureFixture[str]) -> None:
    Path("s").write_text("old")
    assert run(capsys, "secret", "--file", "s") == (2, "", "nodnod: s: file exists\n")
    assert Path("s").read_text() == "old"


# Tokens.


def test_a_token_holds_what_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["token", "--role", "read", "--ttl", "30d", "--for", "grafana", "--secret", "env:SECRET"]
    status, out, err = run(capsys, *argv)
    claims = jwt.decode(out.strip(), SECRET, ["HS256"])
    assert status == 0
    assert (claims["role"], claims["sub"]) == ("read", "grafana")
    assert claims["exp"] - claims["iat"] == 30 * 86400
    assert abs(claims["iat"] - time.time()) < 60
    assert err.startswith("nodnod: valid until 20")


@pytest.mark.parametrize(
    ("text", "seconds"), [("45s", 45), ("90m", 5400), ("12h", 43200), ("2w", 1209600)]
)
def test_times_have_units(capsys: pytest.CaptureFixture[str], text: str, seconds: int) -> None:
    argv = ["token", "--ttl", text, "--for", "x", "--secret", "env:SECRET"]
    claims = jwt.decode(run(capsys, *argv)[1].strip(), SECRET, ["HS256"])
    assert claims["exp"] - claims["iat"] == seconds


@pytest.mark.parametrize(
    ("argv", "error"),
    [
        (["--for", "x", "--ttl", "30"], "such as 90m, 12h or 30d, got '30'"),
        (["--for", "x", "--ttl", "0d"], "such as 90m, 12h or 30d, got '0d'"),
        (["--for", "x", "--ttl", "-1d"], "--ttl"),
        (["--for", "x", "--ttl", "999999w"], "such as 90m, 12h or 30d, got '999999w'"),
        (["--for", ""], "expected 1 to 128 printable characters"),
        (["--for", "a\nb"], "expected 1 to 128 printable characters"),
        (["--for", "x", "--role", "peer"], "'peer'"),
        ([], "--for"),
        (["--for", "x", "--secret", "env:A", "--config", "c"], "--config"),
        (["--for", "x"], "no secret found: pass --secret env:NAME or --secret file:PATH"),
        (["--for", "x", "--secret", SECRET], "--secret: expected env:NAME or file:PATH"),
        (["--for", "x", "--secret", "env:GONE"], "--secret: the environment variable GONE is not"),
        (["--for", "x", "--secret", "file:gone"], "--secret: gone: no such file or directory"),
        (["--for", "x", "--config", "gone"], "gone: no such file"),
        (["--for", "x", "--config", "."], ".: is a directory"),
    ],
)
def test_what_makes_no_token_is_one_line_and_status_2(
    capsys: pytest.CaptureFixture[str], argv: list[str], error: str
) -> None:
    status, out, err = run(capsys, "token", *argv)
    assert (status, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert error in err
    assert SECRET not in err


def signed_with(token: str, secret: str) -> bool:
    try:
        jwt.decode(token.strip(), secret, ["HS256"])
    except jwt.InvalidSignatureError:
        return False
    return True


def test_the_secret_is_looked_for_where_an_agent_looks(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = {name: f"{name} secret, which has to be rather long" for name in "abcd"}
    for name, secret in secrets.items():
        monkeypatch.setenv(f"SECRET_{name}", secret)
        content = {"auth": {"secrets": [f"env:SECRET_{name}", "env:GONE"]}}
        Path(f"{name}.json").write_text(json.dumps(content))
    Path("conf").mkdir()
    Path("a.json").rename("conf/conf.json")

    def token(*argv: str) -> str:
        return run(capsys, "token", "--for", "x", *argv)[1]

    assert signed_with(token(), secrets["a"])
    monkeypatch.setenv("NODNOD_CONFIG", "b.json")
    assert signed_with(token(), secrets["b"])
    monkeypatch.setenv("NODNOD_AUTH_SECRETS", "env:SECRET_c")
    assert signed_with(token(), secrets["c"])
    assert signed_with(token("--config", "d.json"), secrets["d"])
    assert signed_with(token("--secret", "env:SECRET"), SECRET)


# What lets one in.


@pytest.mark.parametrize("token", ["a b", "é", "a\nb"])
def test_a_token_that_is_none_is_refused_and_not_shown(
    capsys: pytest.CaptureFixture[str], token: str
) -> None:
    status, _, err = run(capsys, "stat", "--token", token)
    assert status == 2
    assert "--token: a token consists of letters" in err
    assert token not in err


@pytest.mark.parametrize(
    ("content", "error"),
    [(None, "no such file or directory"), ("x", "no certificates in PEM form")],
)
def test_an_authority_that_is_none_is_refused(
    capsys: pytest.CaptureFixture[str], content: str | None, error: str
) -> None:
    if content is not None:
        Path("ca.pem").write_text(content)
    status, _, err = run(capsys, "stat", "--ca", "ca.pem")
    assert status == 2
    assert f"--ca: 'ca.pem': {error}" in err


def test_the_environment_can_say_both(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NODNOD_TOKEN", "x.y.z\n")
    monkeypatch.setenv("NODNOD_CA", Authority(tmp_path).ca)
    status, _, err = run(capsys, "stat", "--server", "127.0.0.1:1")
    assert (status, err) == (
        3,
        "nodnod: cannot connect to wss://127.0.0.1:1/: connection refused\n",
    )


@pytest.mark.parametrize("flag", ["--cert", "--key"])
def test_a_certificate_that_cannot_be_read_is_refused(
    capsys: pytest.CaptureFixture[str], flag: str
) -> None:
    status, _, err = run(capsys, "stat", flag, "gone")
    assert status == 2
    assert f"{flag}: 'gone': no such file or directory" in err


@pytest.mark.parametrize(
    ("flags", "error"),
    [
        (["--key", "me.key"], "--key: needs --cert"),
        (["--cert", "me.pem"], "--cert 'me.pem': expected a certificate and its key in PEM form"),
        (
            ["--cert", "me.pem", "--key", "ca.pem"],
            "--key 'ca.pem': expected a certificate and its key in PEM form",
        ),
        (
            ["--cert", "me.pem", "--key", "other.key"],
            "--key 'other.key': is not the key of the certificate",
        ),
        (["--cert", "me.pem", "--key", "locked.key"], "--key 'locked.key': the key is encrypted"),
    ],
)
@pytest.mark.parametrize(("command", "misused"), [("stat", 2), ("members", 2), ("check", 3)])
def test_a_certificate_without_its_key_is_one_line(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    command: str,
    misused: int,
    flags: list[str],
    error: str,
) -> None:
    authority = Authority(tmp_path)
    for name in ("me", "other"):
        authority.issue(name)
    lock("me.key", "locked.key")
    status, out, err = run(capsys, command, *flags, "--server", "127.0.0.1:1")
    assert status == misused
    assert len((out + err).splitlines()) == 1
    assert error in out + err


def lock(key: str, to: str) -> None:
    """Write the key anew with a password."""
    found = load_pem_private_key(Path(key).read_bytes(), None)
    form = (Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
    Path(to).write_bytes(found.private_bytes(*form))


@pytest.mark.parametrize("variables", [False, True])
def test_a_certificate_means_tls(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    variables: bool,
) -> None:
    cert, key = Authority(tmp_path).issue("me")
    flags = [] if variables else ["--cert", cert, "--key", key]
    if variables:
        monkeypatch.setenv("NODNOD_CERT", cert)
        monkeypatch.setenv("NODNOD_KEY", key)
    status, _, err = run(capsys, "stat", "--server", "127.0.0.1:1", *flags)
    assert status == 3
    assert "cannot connect to wss://127.0.0.1:1/: connection refused" in err


def test_a_plain_url_does_not_go_with_an_authority(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    argv = ["stat", "--server", "ws://127.0.0.1:1", "--ca", Authority(tmp_path).ca]
    status, _, err = run(capsys, *argv)
    assert status == 2
    assert "wss://" in err
