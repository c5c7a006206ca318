"""``nodnod alerts test``: each channel gets a message, and what it answered is printed."""

import asyncio
import json
from pathlib import Path

import pytest

from bench.harness.processes import free_ports
from doubles.sink import sink, status
from nodnod_agent.console.main import main

KEY = "xoxb-super-secret"
Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the environment and the configuration of the user out of the tests."""
    monkeypatch.chdir(tmp_path)
    for name in ("CONFIG", "ALERTS_NOTIFY", "ALERTS_HEARTBEAT", "NAME", "LISTEN", "ADVERTISE"):
        monkeypatch.delenv(f"NODNOD_{name}", raising=False)


async def run(capsys: Capture, *argv: str) -> tuple[int, str, str]:
    """Run in a thread, since the servers are in this loop."""
    status = await asyncio.to_thread(main, ["alerts", *argv])
    out, err = capsys.readouterr()
    assert KEY not in out + err
    return status, out, err


async def test_each_channel_gets_one_message_and_its_answer_is_printed_in_order(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = tmp_path / "agent.json"
    alerts = {"notify": ["env:A", "env:B"], "heartbeat": "env:H"}
    config.write_text(json.dumps({"name": "kenny", "advertise": "kenny:7070", "alerts": alerts}))
    async with sink() as hook, sink() as manager, sink() as heart:
        monkeypatch.setenv("A", f"webhook+http://{hook.address}/{KEY}")
        monkeypatch.setenv("B", f"alertmanager+http://me:{KEY}@{manager.address}")
        monkeypatch.setenv("H", f"http://{heart.address}/{KEY}")

        found = await run(capsys, "test", "--config", str(config))

        (alert,) = (await hook.next()).json["alerts"]
        assert (alert["node"], alert["rule"]) == ("kenny", "test")
        (row,) = (await manager.next()).json
        assert row["labels"]["instance"] == "kenny:7070"
        assert (await heart.next()).method == "GET"
        assert hook.is_empty
        lines = [
            f"webhook {hook.address}: HTTP 200\n",
            f"alertmanager {manager.address}: HTTP 200\n",
            f"heartbeat {heart.address}: HTTP 200\n",
        ]
    assert found == (0, "".join(lines), "")


async def test_a_channel_that_fails_is_named_and_the_status_is_1(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NODNOD_ALERTS_NOTIFY", "env:A,env:B,env:C")
    (port,) = free_ports(1)
    async with sink(status(500)) as broken, sink() as whole:
        monkeypatch.setenv("A", f"webhook+http://{broken.address}/{KEY}")
        monkeypatch.setenv("B", f"webhook+http://127.0.0.1:{port}/{KEY}")
        monkeypatch.setenv("C", f"webhook+http://{whole.address}/{KEY}")

        status_, out, err = await run(capsys, "test")

        assert (status_, err) == (1, "")
        assert out == (
            f"webhook {broken.address}: FAILED: HTTP 500\n"
            f"webhook 127.0.0.1:{port}: FAILED: connection refused\n"
            f"webhook {whole.address}: HTTP 200\n"
        )


async def test_a_configuration_without_channels_says_where_to_set_them(capsys: Capture) -> None:
    says = "nodnod: no channel found: set alerts.notify in the file, or NODNOD_ALERTS_NOTIFY\n"
    assert await run(capsys, "test") == (2, "", says)


async def test_a_fault_in_the_configuration_is_one_line(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    says = "nodnod: nowhere.json: no such file\n"
    assert await run(capsys, "test", "--config", "nowhere.json") == (2, "", says)
    monkeypatch.setenv("NODNOD_ALERTS_NOTIFY", f"webhook+http://a/{KEY}")
    status_, out, err = await run(capsys, "test")
    assert (status_, out) == (2, "")
    assert err.startswith("nodnod: NODNOD_ALERTS_NOTIFY[0]: expected env:NAME or file:PATH, never")
    monkeypatch.setenv("NODNOD_ALERTS_NOTIFY", "env:A")
    monkeypatch.setenv("A", f"{KEY}")
    says = "nodnod: NODNOD_ALERTS_NOTIFY[0]: expected a URL, such as webhook+https://…\n"
    assert await run(capsys, "test") == (2, "", says)


@pytest.mark.parametrize(
    ("flags", "named"),
    [("--server kyle", "--server"), ("--token x --nodes a --json", "--token, --nodes, --json")],
)
async def test_flags_that_can_do_nothing_are_refused(
    capsys: Capture, flags: str, named: str
) -> None:
    error = f"nodnod: alerts test asks no agent: {named} would do nothing\n"
    assert await run(capsys, "test", *flags.split()) == (3, "", error)
