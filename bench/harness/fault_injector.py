"""Injects the faults of a schedule: the serious ones one by one, the others whenever they are due."""

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from math import inf
from time import monotonic

from msgspec import Struct, field

from bench.harness.agent_process import AgentProcess
from bench.harness.attack_process import Attack
from bench.harness.clients import Clients
from bench.harness.invariants.ground_truth import Fault, GroundTruth, KnownNode
from bench.harness.proxy import Proxy, halved, lost
from bench.harness.schedule import ELDER, Planned

STOPPING = 0.05
"""Seconds in which a process that is being frozen may still send something."""


class FaultInjector(Struct):
    """Injects faults into ``agents``, which the ground truth lists.

    Calls ``_log`` with each fault as it happens, and ``_complain`` with what goes wrong with one.
    """

    _truth: GroundTruth
    _agents: Sequence[AgentProcess]
    _clients: Sequence[Clients]
    _log: Callable[[str], None]
    _complain: Callable[[str, str], None]
    _rng: random.Random
    _attacks: set[Attack] = field(default_factory=set)
    done: int = 0

    async def start(self) -> None:
        """Start all agents, each with the first one as its only peer."""
        first = self._agents[0]
        faults = []
        for one in self._agents:
            one.peers = {first} - {one}
            faults.append(self._begin("start", one))
            one.start()
        for one, fault in zip(self._agents, faults, strict=True):
            await one.started()
            fault.until = monotonic()

    async def run(self, schedule: Iterable[Planned]) -> None:
        """Inject all faults, until the last one is over."""
        began = monotonic()
        serious = asyncio.Queue[Planned | None]()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._one_by_one(serious))
            for planned in schedule:
                await asyncio.sleep(began + planned.at - monotonic())
                if planned.serious:
                    serious.put_nowait(planned)
                else:
                    group.create_task(self._inject(planned))
            serious.put_nowait(None)

    def end(self) -> None:
        """End what still runs, at once."""
        for attack in self._attacks:
            attack.kill()
        for one in self._agents:
            self._begin("stop", one)
            one.interrupt()
        for one in self._agents:
            one.terminate()

    def _node(self, one: AgentProcess) -> KnownNode:
        return self._truth.owners(one.name)[0]

    def _begin(self, kind: str, one: AgentProcess) -> Fault:
        return self._truth.begin(kind, self._node(one), monotonic())

    async def _one_by_one(self, queue: asyncio.Queue[Planned | None]) -> None:
        while planned := await queue.get():
            await self._inject(planned)

    async def _inject(self, planned: Planned) -> None:
        one = self._agents[planned.place]
        act = getattr(self, "_" + planned.kind.replace(" ", "_"))
        if one.died:
            self._complain(one.name, one.died)
        self.done += 1
        await act(one, planned)

    # -- processes ---------------------------------------------------------------------------------

    async def _kill(self, one: AgentProcess, planned: Planned) -> None:
        fault = self._begin("kill", one)
        self._log(f"kill {one}, for {planned.span:g} s")
        one.kill()
        await self._restart(one, fault, planned.span)

    async def _stop(self, one: AgentProcess, planned: Planned) -> None:
        fault = self._begin("stop", one)
        self._log(f"stop {one}, for {planned.span:g} s")
        await self._terminate(one)
        await self._restart(one, fault, planned.span)

    async def _move(self, one: AgentProcess, planned: Planned) -> None:
        gently = self._rng.random() < 0.5
        fault = self._begin("stop" if gently else "move", one)
        self._log(f"{'stop' if gently else 'kill'} {one}, and start it at another address")
        if gently:
            await self._terminate(one)
        else:
            one.kill()
        one.move()
        self._truth.add_address(self._node(one), one.advertised)
        await self._restart(one, fault, planned.span)

    async def _freeze(self, one: AgentProcess, planned: Planned) -> None:
        fault = self._begin("freeze", one)
        self._log(f"freeze {one} for {planned.span:g} s")
        one.signal(signal.SIGSTOP)
        fault.away = (monotonic() + STOPPING, inf)
        await asyncio.sleep(planned.span)
        fault.away = (fault.away[0], monotonic())
        one.signal(signal.SIGCONT)
        fault.until = monotonic()
        self._log(f"{one.name} goes on")

    async def _terminate(self, one: AgentProcess) -> None:
        complaint = await one.stop()
        if complaint:
            self._complain(one.name, complaint)

    async def _restart(self, one: AgentProcess, fault: Fault, span: float) -> None:
        fault.away = (monotonic(), inf)
        await asyncio.sleep(span)
        first = self._agents[0]
        one.peers = {first if one is not first else self._agents[ELDER]}
        fault.away = (fault.away[0], monotonic())
        one.start()
        await one.started()
        fault.until = monotonic()
        self._log(f"{one} is back")

    # -- links -------------------------------------------------------------------------------------

    async def _slow_link(self, one: AgentProcess, planned: Planned) -> None:
        delay = float(planned.detail[0])
        what = f"is {delay:g} s slow each way, for {planned.span:g} s"
        async with self._bad_link(one, what) as line:
            line.there.delay = line.back.delay = delay
            await asyncio.sleep(planned.span)
            line.mend()
            await asyncio.sleep(delay)  # what is under way delays everything behind it

    async def _reset_link(self, one: AgentProcess, _: Planned) -> None:
        async with self._bad_link(one, "resets all connections") as line:
            await line.reset()

    async def _dead_link(self, one: AgentProcess, planned: Planned) -> None:
        async with self._bad_link(one, f"loses all, for {planned.span:g} s") as line:
            line.there.harm = line.back.harm = lost
            await asyncio.sleep(planned.span)
            line.mend()
            await line.reset()  # TCP would have sent again what was lost

    async def _pieces(self, one: AgentProcess, planned: Planned) -> None:
        what = f"cuts all into pieces, for {planned.span:g} s"
        async with self._bad_link(one, what, harmless=True) as line:
            line.there.harm = line.back.harm = halved
            await asyncio.sleep(planned.span)
            line.mend()

    @asynccontextmanager
    async def _bad_link(
        self, one: AgentProcess, what: str, *, harmless: bool = False
    ) -> AsyncIterator[Proxy]:
        """The proxy in front of an agent, for one fault at a time."""
        assert one.proxy is not None
        async with one.lock:
            fault = None if harmless else self._begin("link", one)
            self._log(f"the link to {one} {what}")
            yield one.proxy
            self._log(f"the link to {one.name} is well")
            if fault is not None:
                fault.until = monotonic()

    # -- what must change no answer ----------------------------------------------------------------

    async def _reload(self, one: AgentProcess, _: Planned) -> None:
        if not one.up:
            return
        fault = self._begin("readdress", one) if one.has_old_addresses else None
        reloads = one.reloads
        changed = one.reconfigure(list(self._agents), self._rng)
        self._log(f"{one} reloads its file: {changed}")
        if fault is not None:
            await one.reloaded(reloads + 1)
            fault.until = monotonic()

    async def _bad_reload(self, one: AgentProcess, _: Planned) -> None:
        if one.up:
            self._log(f"{one} reloads an invalid file: {one.misconfigure(self._rng)}")

    async def _hostile(self, one: AgentProcess, planned: Planned) -> None:
        if not one.up:
            return
        count, *kinds = planned.detail
        self._log(f"{count} hostile clients at {one} for {planned.span:g} s: {', '.join(kinds)}")
        fault = self._begin("history", one) if "costly_questions" in kinds else None
        attack = Attack(one.endpoint, kinds, int(count), planned.span)
        self._attacks.add(attack)
        await asyncio.to_thread(attack.end)
        self._attacks.discard(attack)
        if fault is not None:
            fault.until = monotonic()

    async def _burst(self, one: AgentProcess, planned: Planned) -> None:
        if not one.up:
            return
        connections, requests = map(int, planned.detail)
        self._log(f"{requests} requests at once over each of {connections} clients at {one}")
        await self._clients[planned.place].burst(connections, requests)
