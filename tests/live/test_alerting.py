"""People are told of what happens to real agents, over all kinds of channels.

Each story takes about a minute, most of it until a group of changes is complete. So all of them
begin at once, in two clusters, and each test waits for its own.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from msgspec import Struct

from bench.harness.agents import Agent, Agents, whole
from doubles.sink import Behavior, hang, sink
from eventually import eventually
from live.alertmanager import running
from live.telling import (
    SOON,
    Channels,
    Disk,
    Message,
    People,
    fires,
    judge_by,
    keep,
    over,
    refused,
    rules,
    taken,
)
from nodnod_client import Client

pytestmark = pytest.mark.asyncio(loop_scope="module")

NAMES = ("cartman", "kenny", "stan")
OTHERS = ("butters", "craig", "tweek")
QUEUE = {"name": "queue", "metric": "custom.queue", "above": 50}

Stories = dict[Callable[..., Coroutine[Any, Any, None]], asyncio.Task[None]]


class Town(Struct, eq=False):
    """A cluster in which cartman and stan tell people, and kenny cannot."""

    agents: list[Agent]
    people: People
    choosy: People
    """They refuse every message with a problem of the rule ``signal``."""
    chat: list[Any]
    """What Apprise has sent."""
    pages: list[Any]
    """What Alertmanager has sent."""
    disk: Disk
    numbers: Path
    why_no_manager: str = ""

    def write(self, **numbers: float) -> None:
        """Write numbers of stan's own."""
        new = self.numbers / ".new"
        new.write_text(json.dumps(numbers))
        new.rename(self.numbers / "own.json")

    def paged(self, node: str, rule: str) -> list[str]:
        """The states that Alertmanager has told of an alert."""
        found = [
            (alert["status"], alert["labels"]) for page in self.pages for alert in page["alerts"]
        ]
        return [state for state, it in found if (it["node"], it["alertname"]) == (node, rule)]

    def chatted(self, line: str) -> int:
        """How often a line with this beginning was sent through Apprise."""
        texts = [line for message in self.chat for line in message["message"].splitlines()]
        return sum(one.startswith(line) for one in texts)


async def a_disk_fills(town: Town) -> None:
    file = town.disk.file(town.agents[0])
    with suppress(OSError):  # until there is no space left
        file.write_bytes(bytes(16 << 20))

    problem = await town.people.hear("cartman", "disk", "firing")

    assert problem.object == str(town.disk.point)
    assert problem.value is not None
    assert problem.value > 85
    file.unlink()
    await town.people.hear("cartman", "disk", "resolved")


async def kenny_dies(town: Town) -> None:
    cartman, kenny, stan = town.agents
    kenny.kill()
    await town.people.hear("kenny", "down", "firing")
    await kenny.restart()
    await town.people.hear("kenny", "down", "resolved")
    for agent in (cartman, stan):
        await whole(agent, *NAMES)
    assert [one.state for one in town.people.told("kenny", "down")] == ["firing", "resolved"]


async def a_silence(town: Town) -> None:
    cartman, _, stan = town.agents
    async with Client(stan.address) as there, Client(cartman.address) as here:
        silence = await there.silence("cartman", rule="noise", seconds=3600, reason="a test")
        await eventually(here.silences)
        await judge_by(cartman, *town.disk.rules, fires("noise"), fires("plain"))

        await town.people.hear("cartman", "plain", "firing")

        assert not town.people.told("cartman", "noise")
        assert not town.choosy.told("cartman", "noise")
        assert not town.paged("cartman", "noise")
        await here.end_silence(silence.id)
    await town.people.hear("cartman", "noise", "firing")


async def a_recovery(town: Town) -> None:
    stan = town.agents[2]
    await judge_by(stan, QUEUE, fires("signal"))
    await town.people.hear("stan", "signal", "firing")
    await eventually(lambda: refused in [one.answer for one in town.choosy.messages], within=SOON)

    await judge_by(stan, QUEUE, over("signal"), fires("late"))

    # What happens at once is one message: it is told of the end, or is not.
    await town.people.hear("stan", "signal", "resolved")
    await town.choosy.hear("stan", "late", "firing")
    assert not town.choosy.told("stan", "signal")


async def a_queue_is_long(town: Town) -> None:
    """Only an Alertmanager is told of it for sure: its end may come before people are told."""
    await eventually(lambda: town.paged("stan", "queue"), within=SOON)
    town.write(queue=0)
    await eventually(lambda: "resolved" in town.paged("stan", "queue"), within=SOON)


async def a_sender_dies(agents: list[Agent], people: People) -> None:
    held: list[Message] = []

    def answers(message: Message) -> Behavior:
        """Hold back the first answer about somebody else: of a node that is down nothing is told."""
        if held or {one.node for one in message.alerts} == {message.sender}:
            return taken
        held.append(message)
        return hang

    people.answers = answers
    await asyncio.gather(*(judge_by(agent, fires("used")) for agent in agents))
    await eventually(lambda: held, within=SOON)
    (message,) = held
    next(agent for agent in agents if agent.name == message.sender).kill()

    for alert in message.alerts:
        if alert.node != message.sender:
            await people.hear(alert.node, "used", "firing")
            assert people.told(alert.node, "used") == [alert]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(
    shared_agents: Agents, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Town]:
    directory = tmp_path_factory.mktemp("town")
    async with AsyncExitStack() as stack:
        webhook, refusing, chat, hook = [await stack.enter_async_context(sink()) for _ in range(4)]
        channels = Channels(directory)
        channels.add(f"webhook+http://{webhook.address}/")
        channels.add(f"webhook+http://{refusing.address}/")
        channels.add(f"json://{chat.address}/")
        why_no_manager = ""
        try:
            manager = stack.enter_context(running(directory / "alertmanager", hook.address))
            channels.add(f"alertmanager+http://{manager.address}")
        except pytest.skip.Exception as reason:
            why_no_manager = str(reason)
        numbers = directory / "custom"
        numbers.mkdir()
        disk = Disk(directory)
        agents = shared_agents.mesh(
            {
                "cartman": {"alerts": channels.settings() | rules(*disk.rules)},
                "kenny": {"alerts": rules()},
                "stan": {
                    "alerts": channels.settings() | rules(QUEUE),
                    "custom": {"directory": str(numbers)},
                },
            },
            {"cartman": disk.prefix},
        )
        people, choosy = People(webhook, agents), People(refusing, agents)
        choosy.answers = lambda message: (
            refused if ("signal", "firing") in {one[1:3] for one in message.alerts} else taken
        )
        found = Town(agents, people, choosy, keep(chat), keep(hook), disk, numbers, why_no_manager)
        found.write(queue=100)
        for agent in agents:
            await whole(agent, *NAMES)
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stories(
    town: Town, shared_agents: Agents, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stories]:
    """All of them, begun."""
    async with sink() as webhook:
        channels = Channels(tmp_path_factory.mktemp("others"))
        channels.add(f"webhook+http://{webhook.address}/")
        settings = {"alerts": channels.settings() | rules()}
        agents = await shared_agents.cluster(*OTHERS, settings=settings)
        begun: dict[Any, Any] = {one: one(town) for one in (kenny_dies, a_silence, a_recovery)}
        begun[a_sender_dies] = a_sender_dies(agents, People(webhook, agents))
        if not town.disk.why_not:
            begun[a_disk_fills] = a_disk_fills(town)
        if not town.why_no_manager:
            begun[a_queue_is_long] = a_queue_is_long(town)
        tasks = {story: asyncio.create_task(it) for story, it in begun.items()}
        yield tasks
        for task in tasks.values():
            task.cancel()
        await asyncio.wait(tasks.values())


async def test_a_full_disk_and_its_end_are_told(
    stories: Stories, town: Town, shared_agents: Agents
) -> None:
    if town.disk.why_not:
        pytest.skip(town.disk.why_not)
    await stories[a_disk_fills]


async def test_a_node_that_is_killed_and_its_return_are_told(
    stories: Stories, shared_agents: Agents
) -> None:
    await stories[kenny_dies]


async def test_when_a_sender_dies_before_the_answer_the_next_one_tells(
    stories: Stories, shared_agents: Agents
) -> None:
    await stories[a_sender_dies]


async def test_nobody_is_told_of_a_silenced_problem_until_the_silence_ends(
    stories: Stories, shared_agents: Agents
) -> None:
    await stories[a_silence]


async def test_an_end_is_told_only_where_the_problem_was(
    stories: Stories, shared_agents: Agents
) -> None:
    await stories[a_recovery]


async def test_alertmanager_tells_of_our_problems_and_their_ends(
    stories: Stories, town: Town, shared_agents: Agents
) -> None:
    if town.why_no_manager:
        pytest.skip(town.why_no_manager)
    await stories[a_queue_is_long]
    await eventually(lambda: "resolved" in town.paged("kenny", "down"), within=SOON)
    await stories[a_silence]
    await eventually(lambda: town.paged("cartman", "noise"), within=SOON)
    assert town.paged("stan", "queue") == town.paged("kenny", "down") == ["firing", "resolved"]
    assert town.paged("cartman", "noise") == ["firing"]


async def test_apprise_tells_of_our_problems_and_their_ends(
    stories: Stories, town: Town, shared_agents: Agents
) -> None:
    await eventually(lambda: town.chatted("RESOLVED kenny: down"), within=SOON)
    assert town.chatted("CRITICAL kenny: down") == town.chatted("RESOLVED kenny: down") == 1


async def test_nothing_is_told_twice(stories: Stories, town: Town, shared_agents: Agents) -> None:
    await asyncio.gather(*stories.values())
    for people in (town.people, town.choosy):
        counts = Counter((one.node, one.rule, one.epoch) for one in people.told())
        assert set(counts.values()) == {1}
