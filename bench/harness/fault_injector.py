"""Carries out the faults of a schedule: the grave ones one by one, the others whenever they come."""

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from math import inf
from time import monotonic

from bench.harness.agent_process import AgentProcess
from bench.harness.attack_process import Attack
from bench.harness.clients import Guests
from bench.harness.faults import Trouble, World
from bench.harness.proxy import Proxy, halved, lost
from bench.harness.schedule import ELDER, Fault

STOPPING = 0.05
"""Seconds in which a process that is to stand still may still do something."""


class FaultInjector:
    """``tell`` is told of each fault as it happens, ``complain`` of what goes wrong with one."""

    def __init__(
        self,
        world: World,
        residents: Sequence[AgentProcess],
        guests: Sequence[Guests],
        *,
        tell: Callable[[str], None],
        complain: Callable[[str, str], None],
        renewed: Callable[[AgentProcess], None],
        seed: int,
    ) -> None:
        """``renewed`` is told of each agent that is a new process."""
        self._world = world
        self._residents = residents
        self._guests = guests
        self._tell = tell
        self._complain = complain
        self._renewed = renewed
        self._rng = random.Random(f"marshal {seed}")
        self._attacks: set[Attack] = set()
        self.done = 0

    async def begin(self) -> None:
        """Start all, each told of the first alone."""
        first = self._residents[0]
        troubles = []
        for one in self._residents:
            one.told = {first} - {one}
            troubles.append(self._world.begin("begin", one.name, monotonic()))
            self._start(one)
        for one, trouble in zip(self._residents, troubles, strict=True):
            await one.listens()
            trouble.until = monotonic()

    async def carry_out(self, faults: Iterable[Fault]) -> None:
        """Until the last one is over."""
        began = monotonic()
        grave = asyncio.Queue[Fault | None]()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._one_by_one(grave))
            for fault in faults:
                await asyncio.sleep(began + fault.at - monotonic())
                if fault.grave:
                    grave.put_nowait(fault)
                else:
                    group.create_task(self._carry_out(fault))
            grave.put_nowait(None)

    def end(self) -> None:
        """End what still runs, at once."""
        for attack in self._attacks:
            attack.kill()
        for one in self._residents:
            self._world.begin("stop", one.name, monotonic())
            one.told_to_end()
        for one in self._residents:
            one.end()

    async def _one_by_one(self, faults: asyncio.Queue[Fault | None]) -> None:
        while fault := await faults.get():
            await self._carry_out(fault)

    async def _carry_out(self, fault: Fault) -> None:
        one = self._residents[fault.place]
        act = getattr(self, "_" + fault.kind.replace(" ", "_"))
        if one.died:
            self._complain(one.name, one.died)
        self.done += 1
        await act(one, fault)

    # -- processes ---------------------------------------------------------------------------------

    async def _kill(self, one: AgentProcess, fault: Fault) -> None:
        trouble = self._world.begin("kill", one.name, monotonic())
        self._tell(f"kill {one}, for {fault.span:g} s")
        one.kill()
        await self._back(one, trouble, fault.span)

    async def _stop(self, one: AgentProcess, fault: Fault) -> None:
        trouble = self._world.begin("stop", one.name, monotonic())
        self._tell(f"stop {one}, for {fault.span:g} s")
        await self._told_to_stop(one)
        await self._back(one, trouble, fault.span)

    async def _move(self, one: AgentProcess, fault: Fault) -> None:
        trouble = self._world.begin("move", one.name, monotonic())
        gently = self._rng.random() < 0.5
        self._tell(f"{'stop' if gently else 'kill'} {one}, and start it elsewhere")
        if gently:
            trouble.kind = "stop"
            await self._told_to_stop(one)
        else:
            one.kill()
        one.move()
        self._world.nodes[one.name].addresses.append(one.advertised)
        await self._back(one, trouble, fault.span)

    async def _freeze(self, one: AgentProcess, fault: Fault) -> None:
        trouble = self._world.begin("freeze", one.name, monotonic())
        self._tell(f"freeze {one} for {fault.span:g} s")
        one.signal(signal.SIGSTOP)
        trouble.away = (monotonic() + STOPPING, inf)
        await asyncio.sleep(fault.span)
        trouble.away = (trouble.away[0], monotonic())
        one.signal(signal.SIGCONT)
        trouble.until = monotonic()
        self._tell(f"{one.name} goes on")

    async def _told_to_stop(self, one: AgentProcess) -> None:
        fault = await one.stop()
        if fault:
            self._complain(one.name, fault)

    async def _back(self, one: AgentProcess, trouble: Trouble, span: float) -> None:
        trouble.away = (monotonic(), inf)
        await asyncio.sleep(span)
        first = self._residents[0]
        one.told = {first if one is not first else self._residents[ELDER]}
        trouble.away = (trouble.away[0], monotonic())
        self._start(one)
        await one.listens()
        trouble.until = monotonic()
        self._tell(f"{one} is back")

    def _start(self, one: AgentProcess) -> None:
        one.expected = True
        one.begin()
        self._renewed(one)

    # -- lines -------------------------------------------------------------------------------------

    async def _slow_line(self, one: AgentProcess, fault: Fault) -> None:
        delay = float(fault.detail[0])
        what = f"is {delay:g} s slow each way, for {fault.span:g} s"
        async with self._bad_line(one, what) as line:
            line.there.delay = line.back.delay = delay
            await asyncio.sleep(fault.span)
            line.mend()
            await asyncio.sleep(delay)  # what is under way keeps back all behind it

    async def _reset_line(self, one: AgentProcess, _: Fault) -> None:
        async with self._bad_line(one, "resets all connections") as line:
            await line.reset()

    async def _dead_line(self, one: AgentProcess, fault: Fault) -> None:
        async with self._bad_line(one, f"loses all, for {fault.span:g} s") as line:
            line.there.harm = line.back.harm = lost
            await asyncio.sleep(fault.span)
            line.mend()
            await line.reset()  # TCP would have sent again what was lost

    async def _pieces(self, one: AgentProcess, fault: Fault) -> None:
        what = f"cuts all into pieces, for {fault.span:g} s"
        async with self._bad_line(one, what, harmless=True) as line:
            line.there.harm = line.back.harm = halved
            await asyncio.sleep(fault.span)
            line.mend()

    @asynccontextmanager
    async def _bad_line(
        self, one: AgentProcess, what: str, *, harmless: bool = False
    ) -> AsyncIterator[Proxy]:
        """The line to an agent, for one fault at a time."""
        assert one.line is not None
        async with one.lock:
            trouble = None
            if not harmless:
                trouble = self._world.begin("line", one.name, monotonic())
            self._tell(f"the line to {one} {what}")
            yield one.line
            self._tell(f"the line to {one.name} is well")
            if trouble is not None:
                trouble.until = monotonic()

    # -- what must harm nobody ---------------------------------------------------------------------

    async def _reload(self, one: AgentProcess, _: Fault) -> None:
        if one.up:
            changed = one.reconfigure(list(self._residents), self._rng)
            self._tell(f"{one} reads its file anew: {changed}")

    async def _bad_reload(self, one: AgentProcess, _: Fault) -> None:
        if one.up:
            self._tell(f"{one} reads a file with a fault: {one.misconfigure(self._rng)}")

    async def _hostile(self, one: AgentProcess, fault: Fault) -> None:
        if not one.up:
            return
        count, *kinds = fault.detail
        self._tell(f"{count} hostile clients at {one} for {fault.span:g} s: {', '.join(kinds)}")
        asks_past = "costly_questions" in kinds
        trouble = self._world.begin("past", one.name, monotonic()) if asks_past else None
        attack = Attack(one.endpoint, kinds, int(count), fault.span)
        self._attacks.add(attack)
        await asyncio.to_thread(attack.end)
        self._attacks.discard(attack)
        if trouble is not None:
            trouble.until = monotonic()

    async def _burst(self, one: AgentProcess, fault: Fault) -> None:
        if not one.up:
            return
        connections, questions = map(int, fault.detail)
        self._tell(f"{questions} questions at once over each of {connections} clients at {one}")
        await self._guests[fault.place].burst(connections, questions)
