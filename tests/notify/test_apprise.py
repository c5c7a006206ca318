"""Messages through Apprise, in a child process."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bench.harness.processes import free_ports
from doubles.alerts import an_alert
from doubles.sink import close, hang, sink, status
from eventually import eventually
from nodnod_agent.core.alerts.message import compose
from nodnod_agent.notify import apprise_channel
from nodnod_agent.notify.apprise_channel import COMMAND, Apprise
from nodnod_agent.notify.outgoing import Outgoing
from nodnod_agent.notify.urls import parse_channel
from notify.results import sent

KEY = "xoxb-super-secret"


def apprise(url: str, seconds: float | None = None) -> Apprise:
    loop = asyncio.get_running_loop()
    channel = Apprise(parse_channel(url), loop)
    if seconds is not None:
        channel._outgoing = Outgoing(loop, seconds=seconds)
    return channel


async def tell(url: str, *alerts: Any, seconds: float | None = None) -> tuple[bool, str]:
    message = compose(alerts or [an_alert()])
    return await sent(partial(apprise(url, seconds).send, message))


async def test_a_service_gets_title_text_and_type() -> None:
    async with sink() as server:
        assert await tell(f"json://{server.address}/{KEY}") == (True, "sent")
        request = await server.next()
    assert request.path == f"/{KEY}"
    assert request.json["title"] == "CRITICAL kenny: memory"
    assert request.json["message"] == compose([an_alert()]).body
    assert request.json["type"] == "failure"


@pytest.mark.parametrize(
    ("changes", "type_"), [({"severity": "warning"}, "warning"), ({"state": "resolved"}, "success")]
)
async def test_the_type_is_that_of_the_worst_that_fires(changes: Any, type_: str) -> None:
    async with sink() as server:
        await tell(
            f"json://{server.address}", an_alert("stan", state="resolved"), an_alert(**changes)
        )
        assert (await server.next()).json["type"] == type_


async def test_a_comma_does_not_begin_another_url() -> None:
    async with sink() as server, sink() as other:
        await tell(f"json://{server.address}/a,json://{other.address}/b")
        assert (await server.next()).path.startswith("/a%2C")
        assert other.is_empty


async def test_a_failure_is_told_in_our_own_words() -> None:
    async with sink(status(500, body=KEY.encode())) as server:
        assert await tell(f"json://{server.address}/{KEY}") == (False, "HTTP 500")
        server.behavior = close
        says = (False, "no connection, or no answer")
        assert await tell(f"json://{server.address}/{KEY}") == says
    (port,) = free_ports(1)
    assert await tell(f"json://me:{KEY}@127.0.0.1:{port}/{KEY}") == says


@pytest.mark.parametrize("code", [301, 302, 308])
async def test_a_redirect_is_a_failure_and_is_not_followed(code: int) -> None:
    """Apprise 2.3.0 follows a 301 or 302 without the message: findings/apprise_redirect_unsaid.sh."""
    async with sink() as other, sink(status(code, f"Location: http://{other.address}")) as server:
        assert await tell(f"json://{server.address}/") == (False, f"HTTP {code}")
        assert other.is_empty


async def test_a_url_may_have_redirects_followed() -> None:
    async with sink() as other, sink(status(308, f"Location: http://{other.address}")) as server:
        assert await tell(f"json://{server.address}/?redirect=yes") == (True, "sent")
        assert (await other.next()).json["title"] == "CRITICAL kenny: memory"


@pytest.mark.parametrize("url", [f"nonsense://{KEY}", f"discord://{KEY}", "json://", "https://a/b"])
async def test_a_url_that_apprise_does_not_know_is_told(url: str) -> None:
    ok, why = await tell(url)
    assert not ok
    assert why.startswith("Apprise does not take this URL: it is not complete, or of a service")


async def test_a_child_that_hangs_is_killed_at_the_deadline() -> None:
    async with sink(hang) as server:
        # Longer than Apprise itself waits for an answer, unless it is told to.
        url = f"json://{server.address}/?rto=60&cto=60"
        assert await tell(url, seconds=3) == (False, "no answer within 3 s")
        await eventually(server.ended.is_set)


async def test_what_a_child_has_started_ends_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = tmp_path / "pid"
    script = f"cat >/dev/null; sleep 1000 >/dev/null & echo $! >{pid}; echo '[true, \"sent\"]'"
    monkeypatch.setattr(apprise_channel, "COMMAND", ("sh", "-c", script))

    assert await tell("json://a") == (True, "sent")

    await eventually(lambda: not is_running(int(pid.read_text())))


def is_running(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize("script", ["exit 1", "echo nonsense", "echo '[1]'", "kill -9 $$"])
async def test_a_child_that_gives_no_result_is_a_failure(
    script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apprise_channel, "COMMAND", ("sh", "-c", script))
    assert await tell("json://a") == (False, "Apprise has ended without a result")


async def test_a_command_that_cannot_be_started_is_a_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(apprise_channel, "COMMAND", ("/nowhere/python",))
    says = "cannot start a process for Apprise: no such file or directory"
    assert await tell("json://a") == (False, says)


async def test_the_url_is_in_no_argument_and_no_variable_of_the_child(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHANNEL", f"json://a/{KEY}")
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    seen, order = tmp_path / "seen", tmp_path / "order"
    look = f"cat /proc/$$/cmdline /proc/$$/environ >{seen}; cat >{order}; echo '[true, \"\"]'"
    monkeypatch.setattr(apprise_channel, "COMMAND", ("sh", "-c", look))

    await tell(f"json://a/{KEY}")

    assert KEY not in seen.read_text()
    assert "https_proxy=http://proxy:3128" in seen.read_text()
    assert KEY in order.read_text()
    assert not any(KEY in word for word in COMMAND)


def test_a_child_whose_agent_has_gone_ends_by_itself() -> None:
    code = "from nodnod_agent.notify import apprise_child; apprise_child.LIMIT = 1; apprise_child.main()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as child:
        assert child.wait(30) == -signal.SIGALRM


def test_without_apprise_the_child_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "apprise.py").write_text("raise ImportError")
    order = json.dumps({"url": "json://a", "title": "", "body": "", "type": "info"})
    done = subprocess.run(
        [sys.executable, *COMMAND[1:]],
        input=order.encode(),
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        timeout=30,
        check=True,
    )
    assert json.loads(done.stdout) == [
        False,
        "Apprise is not installed: pip install 'nodnod-agent[notify]'",
    ]
