"""Agents that tell people of alerts, and people who keep what they are told."""

import json
import subprocess
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from bench.harness.agents import Agent
from doubles.sink import OK, Behavior, Received, Sink, answer, status
from eventually import eventually
from live.asking import reload
from nodnod_agent.core.alerts.rules import BUILT_IN, DOWN

SOON = 150.0
"""Seconds within which people are told, however slow the machine: 37 if all is well, 80 if not."""

taken, refused = answer(OK), status(503)


class Told(NamedTuple):
    """One alert of a message."""

    node: str
    rule: str
    state: str
    epoch: int
    object: str
    value: float | None


class Message(NamedTuple):
    """A message, the name of the agent that sent it, and what was answered."""

    alerts: list[Told]
    sender: str
    answer: Behavior


class People:
    """Who is told over a webhook."""

    def __init__(self, sink: Sink, agents: Iterable[Agent]) -> None:
        self.messages: list[Message] = []
        self.answers: Callable[[Message], Behavior] = lambda message: taken
        """How they answer a message, which has been taken by then."""
        self._agents = agents
        sink.choose = self._hear

    def _hear(self, request: Received) -> Behavior:
        alerts = [Told(*(one[field] for field in Told._fields)) for one in request.json["alerts"]]
        message = Message(alerts, self._sender(request.port), taken)
        message = message._replace(answer=self.answers(message))
        self.messages.append(message)
        return message.answer

    def _sender(self, port: int) -> str:
        """The agent with this end of a connection, which waits for the answer."""
        for agent in self._agents:
            if agent.status is None:
                connections = psutil.Process(agent.pid).net_connections("tcp")
                if port in (one.laddr.port for one in connections):
                    return agent.name
        raise LookupError(f"no agent has port {port}")

    def told(self, *what: str) -> list[Told]:
        """What they were told of a node, a rule and a state; less is about more."""
        alerts = [alert for one in self.messages if one.answer is taken for alert in one.alerts]
        return [alert for alert in alerts if alert[: len(what)] == what]

    async def hear(self, *what: str) -> Told:
        """Wait until they have been told of it."""
        await eventually(lambda: self.told(*what), within=SOON, why=lambda: self.messages)
        return self.told(*what)[-1]


def rules(*own: dict[str, Any]) -> dict[str, Any]:
    """Settings with these rules, and ``down`` at once: no other alert may disturb."""
    others = [{"name": one["name"], "enabled": False} for one in BUILT_IN if one["name"] != DOWN]
    return {"rules": [*others, {"name": DOWN, "for": 0}, *own]}


def fires(name: str) -> dict[str, Any]:
    """A rule that fires with the next sample."""
    return {"name": name, "metric": "memoryTotal", "above": 0}


def over(name: str) -> dict[str, Any]:
    """The same rule, which is over with the next sample."""
    return {"name": name, "metric": "memoryTotal", "above": 1e18}


class Channels:
    """Channels of agents, in files of this directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._references: list[str] = []

    def add(self, url: str) -> None:
        path = self._directory / f"notify-{len(self._references)}"
        path.touch(0o600)
        path.write_text(url)
        self._references.append(f"file:{path}")

    def settings(self) -> dict[str, Any]:
        """The part of ``alerts`` that names them."""
        return {"notify": self._references}


class Disk:
    """A small filesystem, mounted where only one agent sees it: it ends with the agent."""

    def __init__(self, directory: Path) -> None:
        self.point = directory / "mnt"
        self.point.mkdir()
        image = str(directory / "image")
        mount = 'mount --make-rprivate / && mount -o loop "$1" "$2" && shift 2 && exec "$@"'
        inside = ("unshare", "--mount", "sh", "-c", mount, "sh", image, str(self.point))
        self.prefix: Sequence[str] = inside
        """The command that the agent is run with; empty where that is not possible."""
        self.why_not = ""
        for command in (["mkfs.ext4", "-q", image, "16M"], [*inside, "true"]):
            try:
                subprocess.run(command, check=True, capture_output=True)
            except (OSError, subprocess.CalledProcessError) as error:
                self.prefix, self.why_not = (), f"no filesystem in an image here: {error}"
                return

    @property
    def rules(self) -> list[dict[str, Any]]:
        """The rule about it; none where there is none."""
        rule = {"name": "disk", "metric": "filesystems.usedPercent", "above": 85}
        return [] if self.why_not else [{**rule, "objects": [str(self.point)]}]

    def file(self, agent: Agent) -> Path:
        """A file on it, as this process sees it."""
        return Path(f"/proc/{agent.pid}/root{self.point}/file")


async def judge_by(agent: Agent, *own: dict[str, Any]) -> None:
    """Have a running agent judge by other rules of its own."""
    settings = json.loads(agent.config.read_text())
    settings["alerts"] |= rules(*own)
    agent.configure(**settings)
    await reload(agent)


def keep(sink: Sink) -> list[Any]:
    """The JSON of all requests from now on."""
    requests: list[Any] = []

    def take(request: Received) -> Behavior:
        requests.append(request.json)
        return taken

    sink.choose = take
    return requests
