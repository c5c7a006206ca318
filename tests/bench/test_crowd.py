from pathlib import Path

from backplane.servers import NatsServer
from bench.harness.agents import Agents, whole
from bench.harness.crowd import CrowdProcess, name_of_made_up

COUNT = 5


async def test_an_agent_shows_made_up_agents_like_others(tmp_path: Path) -> None:
    server = NatsServer(tmp_path)
    server.start()
    crowd = CrowdProcess(server.url, COUNT, tmp_path / "crowd.log")
    crowd.start()
    try:
        with Agents(tmp_path) as agents:
            stan = agents.start("stan", flags=[f"--backplane={server.url}"])
            await whole(stan, "stan", *map(name_of_made_up, range(COUNT)))
        assert crowd.log() == ""
    finally:
        crowd.kill()
        server.close()
