import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.harness.agent_process import AgentProcess


async def test_an_agent_starts_and_stops_while_all_threads_of_the_loop_are_taken(
    tmp_path: Path,
) -> None:
    """Those wait for the ends of attacks; a stop that waited for one would look slow."""
    loop, release = asyncio.get_running_loop(), threading.Event()
    loop.set_default_executor(ThreadPoolExecutor(1))
    taken = loop.run_in_executor(None, release.wait)
    one = AgentProcess("stan", 1.0, tmp_path, "pull")
    try:
        one.start()
        await one.started()
        assert await one.stop() == ""
    finally:
        one.kill()
        release.set()
        await taken
