"""A real Alertmanager takes our alerts, and tells of each problem and of its end once."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from doubles.alerts import an_alert
from doubles.sink import Sink, sink
from eventually import eventually
from live.alertmanager import RealAlertmanager, running
from nodnod_agent.core.alerts.message import Message, compose, compose_test
from nodnod_agent.notify.alertmanager import Alertmanager
from nodnod_agent.notify.http_request import Trust
from nodnod_agent.notify.urls import parse_channel
from notify.results import sent


class Told:
    """A channel to real servers; ``fast`` is by how many seconds our clock is ahead of theirs."""

    def __init__(self, *servers: RealAlertmanager, hook: Sink) -> None:
        self.hook = hook
        self.fast = 0.0
        url = parse_channel(f"alertmanager+http://{','.join(s.address for s in servers)}")
        loop = asyncio.get_running_loop()
        self._channel = Alertmanager(url, Trust(), loop, self.now)

    def now(self) -> float:
        return time.time() + self.fast

    async def tell(self, *alerts: Any) -> None:
        await self.send(compose(alerts))

    async def send(self, message: Message) -> None:
        assert await sent(partial(self._channel.send, message)) == (True, "HTTP 200")

    def alert(self, **changes: Any) -> Any:
        """An alert that changes now."""
        return an_alert(since=self.now(), **changes)

    async def heard(self) -> tuple[str, str, str]:
        """What people are told next: state, rule and severity."""
        (alert,) = (await self.hook.next()).json["alerts"]
        return alert["status"], alert["labels"]["alertname"], alert["labels"]["severity"]


@asynccontextmanager
async def told(directory: Path, replicas: int = 1) -> AsyncIterator[tuple[Told, Any]]:
    async with sink() as hook:
        servers = []
        with running(directory / "one", hook.address) as one:
            servers.append(one)
            if replicas == 1:
                yield Told(one, hook=hook), one
                return
            with running(directory / "two", hook.address) as two:
                yield Told(one, two, hook=hook), (one, two)


async def test_a_problem_and_its_end_are_told_once_however_often_it_is_renewed(
    tmp_path: Path,
) -> None:
    async with told(tmp_path) as (us, server):
        problem = us.alert(object='/mnt/"é"\\ x')
        for _ in range(3):
            await us.tell(problem)
        assert await us.heard() == ("firing", "memory", "critical")
        assert server.names() == {("memory", '/mnt/"é"\\ x', "critical")}

        await us.tell(us.alert(object='/mnt/"é"\\ x', state="resolved"))

        assert await us.heard() == ("resolved", "memory", "critical")
        assert us.hook.is_empty
        assert not server.names()


async def test_another_severity_ends_the_one_before(tmp_path: Path) -> None:
    async with told(tmp_path) as (us, server):
        await us.tell(us.alert(severity="warning"))
        assert await us.heard() == ("firing", "memory", "warning")

        await us.tell(us.alert())

        heard = {await us.heard(), await us.heard()}
        assert heard == {("firing", "memory", "critical"), ("resolved", "memory", "warning")}
        assert server.names() == {("memory", "", "critical")}


async def test_an_end_counts_although_our_clock_is_ahead(tmp_path: Path) -> None:
    async with told(tmp_path) as (us, server):
        us.fast = 30.0
        await us.tell(us.alert())
        assert await us.heard() == ("firing", "memory", "critical")

        await us.tell(us.alert(state="resolved"))

        assert await us.heard() == ("resolved", "memory", "critical")
        assert not server.names()


async def test_a_problem_fires_although_our_clock_is_an_hour_behind(tmp_path: Path) -> None:
    async with told(tmp_path) as (us, server):
        us.fast = -3600.0
        await us.tell(us.alert())
        assert await us.heard() == ("firing", "memory", "critical")
        assert server.names() == {("memory", "", "critical")}


async def test_every_replica_has_the_problem_and_its_end(tmp_path: Path) -> None:
    async with told(tmp_path, replicas=2) as (us, servers):
        await us.tell(us.alert())
        assert [server.names() for server in servers] == [{("memory", "", "critical")}] * 2
        await us.tell(us.alert(state="resolved"))
        assert [server.names() for server in servers] == [set()] * 2


async def test_a_whole_cluster_of_alerts_is_taken(tmp_path: Path) -> None:
    async with told(tmp_path) as (us, server):
        alerts = [us.alert(object=f"/mnt/{number}") for number in range(1000)]
        await us.tell(*alerts)
        await eventually(lambda: len(server.alerts()) == 1000)


async def test_a_test_message_fires(tmp_path: Path) -> None:
    async with told(tmp_path) as (us, _):
        await us.send(compose_test("kenny", "kenny:7070", us.now()))
        assert await us.heard() == ("firing", "test", "warning")
