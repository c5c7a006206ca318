"""Addresses of nodes: seeds and advertised ones, right and wrong, and several of one node."""

from collections import Counter

import pytest

from bench.harness.agents import Agents, whole
from bench.harness.processes import free_ports
from doubles.canned import canned
from eventually import eventually
from live.asking import ask, errors
from live.namespaces import Machines
from live.views import all_see, members

HTTP = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
TLS_ALERT = b"\x15\x03\x03\x00\x02\x02\x46"
"""What a TLS server answers to bytes that are not TLS: an alert, "protocol version"."""


async def test_addresses_without_an_agent_are_logged_once_and_dialed_again_and_again(
    agents: Agents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RES_OPTIONS", "attempts:1 timeout:1")
    kenny = agents.start("kenny")
    closed = f"127.0.0.1:{free_ports(1)[0]}"
    unknown = "nobody.invalid:7070"
    calls: Counter[bytes] = Counter()
    async with canned(HTTP, calls) as web, canned(TLS_ALERT, calls) as tls:
        seeds = [web, tls, closed, unknown, kenny.address]
        cartman = agents.start("cartman", flags=["--join", ",".join(seeds)])
        await whole(kenny, "cartman", "kenny")
        await eventually(lambda: calls[HTTP] >= 4 and calls[TLS_ALERT] >= 4)
        await eventually(lambda: f"node: {unknown}. Error: " in cartman.log())

        async def all_down() -> bool:
            answer = errors(await ask(cartman, {"type": 1}))
            return all(answer[seed].startswith("down: ") for seed in seeds[:4])

        await eventually(all_down)
        answer = errors(await ask(cartman, {"type": 1}))
    said = cartman.messages()
    reasons = {
        web: "not a NodNod agent: HTTP 200",
        tls: "closed during the handshake",
        closed: "connection refused",
    }
    for seed, reason in reasons.items():
        lines = [line for line in said if seed in line]
        assert lines == [f"Could not connect to node: {seed}. Error: {reason}"]
        assert answer[seed] == f"down: {reason}"
    assert len([line for line in said if unknown in line]) == 1
    assert answer["cartman"] == answer["kenny"] == ""


async def test_a_new_machine_needs_only_the_address_of_one_agent(
    machines: Machines, agents: Agents
) -> None:
    seed, other, new = (f"{machines.host(number)}:7070" for number in range(3))
    for number, name in enumerate(["kenny", "kyle", "stan"]):
        agents.start(
            name,
            listen=seed if number == 0 else "",
            flags=["--join", seed] if number else [],
            prefix=machines.prefix(number),
        )

    def all_listed() -> bool:
        answers = [machines.get(number, 7070, "/stat/all")["nodes"] for number in range(3)]
        errors = [{name: node["error"] for name, node in nodes.items()} for nodes in answers]
        return errors == [{"kenny": "", "kyle": "", "stan": ""}] * 3

    await eventually(all_listed)
    rows = machines.get(0, 7070, "/members")["members"]
    assert {row["address"] for row in rows} == {seed, other, new}


async def test_agents_join_over_ipv6(agents: Agents) -> None:
    seed = agents.start("seed", listen="[::1]:0")
    flags = ["--join", seed.address]
    others = [agents.start(name, listen="[::1]:0", flags=flags) for name in ("stan", "wendy")]

    await all_see([seed, *others], seed="up", stan="up", wendy="up")

    assert set(await members(others[0])) == {agent.address for agent in (seed, *others)}


async def test_other_agents_learn_the_advertised_address(agents: Agents) -> None:
    seed = agents.start("seed")
    port = free_ports(1)[0]
    advertised = f"127.0.0.2:{port}"
    stan = agents.start(
        "stan",
        listen=f"0.0.0.0:{port}",
        flags=["--advertise", advertised, "--join", seed.address],
    )
    wendy = agents.start("wendy", flags=["--join", seed.address])

    await all_see([seed, stan, wendy], seed="up", stan="up", wendy="up")

    assert f"Advertising address {advertised}" in stan.messages()
    assert advertised in await members(seed)
    await eventually(lambda: f"Connected to node: [stan : {advertised}]" in wendy.messages())


async def test_an_agent_that_listens_on_all_addresses_logs_the_one_that_it_advertises(
    agents: Agents,
) -> None:
    stan = agents.start("stan", listen="0.0.0.0:0")

    (line,) = [line for line in stan.messages() if line.startswith("Advertising address ")]

    host, _, port = line.removeprefix("Advertising address ").rpartition(":")
    assert int(port) == stan.port
    assert host != "0.0.0.0"
    assert list(await members(stan)) == [f"{host}:{port}"]


async def test_an_advertised_address_that_cannot_be_dialed_is_an_error_at_the_other_agent(
    agents: Agents,
) -> None:
    seed = agents.start("seed")
    nowhere = f"127.0.0.9:{free_ports(1)[0]}"

    stan = agents.start("stan", flags=["--advertise", nowhere, "--join", seed.address])

    why = "connection refused; it is connected to us: is the address that it advertises right?"
    await eventually(
        lambda: f"Could not connect to node: {nowhere}. Error: {why}" in seed.messages()
    )
    assert errors(await ask(seed, {"type": 1})) == {"seed": "", "stan": f"down: {why}"}
    await whole(stan, "seed", "stan")


# Several addresses of one node.


@pytest.mark.parametrize(
    ("listen", "nodes"),
    [
        ("127.0.0.1:{}", ["127.0.0.1:{}", "localhost:{}"]),
        ("0.0.0.0:{}", ["127.0.0.1:{}", "127.0.0.2:{}", "localhost:{}"]),
        ("localhost:{}", ["localhost:{}", "127.0.0.1:{}"]),
        ("[::1]:{}", ["[::1]:{}"]),
        ("[::]:{}", ["[::1]:{}", "[::]:{}"]),
    ],
)
async def test_an_agent_that_is_configured_with_itself_is_listed_once(
    agents: Agents, listen: str, nodes: list[str]
) -> None:
    (port,) = free_ports(1)

    cartman = agents.start(
        "cartman", listen=listen.format(port), nodes=[node.format(port) for node in nodes]
    )

    await whole(cartman, "cartman")
    assert "Could not connect" not in cartman.log()


async def test_a_node_that_is_configured_with_three_addresses_is_listed_once(
    agents: Agents,
) -> None:
    kenny = agents.start("kenny", listen="0.0.0.0:0")
    names = ["127.0.0.1", "127.0.0.2", "localhost"]

    cartman = agents.start("cartman", nodes=[f"{name}:{kenny.port}" for name in names])

    await whole(cartman, "cartman", "kenny")
