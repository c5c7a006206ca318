"""A machine with more network interfaces than other agents accept."""

from bench.harness.agents import Agents
from eventually import eventually
from live.namespaces import Machines
from nodnod_agent.core.encoding import RICH_LIMIT
from nodnod_client.sections import truncated

PORT = 7070
INTERFACES = 3500
SEEN, SEER = range(2)


async def test_a_node_with_thousands_of_interfaces_is_seen_over_another_agent(
    machines: Machines, agents: Agents
) -> None:
    machines.add_interfaces(SEEN, INTERFACES)
    for number, name in enumerate(("seen", "seer")):
        agents.start(
            name,
            listen=f"{machines.host(number)}:{PORT}",
            flags=["--join", f"{machines.host(SEEN)}:{PORT}"] if number else [],
            prefix=machines.prefix(number),
        )
    await eventually(lambda: len(machines.get(SEER, PORT, "/stat/all")["nodes"]) == 2)

    page = "?detail=network,load&timeout=5"
    over_a_peer = machines.get(SEER, PORT, f"/stat/all{page}&nodes=seen")["nodes"]["seen"]
    directly = machines.get(SEEN, PORT, f"/stat{page}")["nodes"]["seen"]

    assert (over_a_peer["error"], directly["error"]) == ("", "")
    assert over_a_peer["memoryTotal"] == directly["memoryTotal"] > 0
    assert over_a_peer["diskTotal"] == directly["diskTotal"] > 0
    kept, all_ = over_a_peer["detail"]["network"], directly["detail"]["network"]
    assert len(all_) > INTERFACES
    assert truncated(all_) == 0
    assert RICH_LIMIT // 150 < len(kept) < INTERFACES
    assert len(kept) + truncated(kept) == len(all_)
    assert "eth0" in kept  # it carries the questions
