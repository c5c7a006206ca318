"""A real agent judges its own machine."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

from bench.harness.agents import Agents
from eventually import eventually


async def test_a_certificate_that_expires_soon_is_an_alert(agents: Agents, tmp_path: Path) -> None:
    end = datetime.now(UTC) + timedelta(days=10)
    issued = trustme.CA().issue_cert("127.0.0.1", not_after=end)
    pem = tmp_path / "agent.pem"
    pem.touch(0o600)
    issued.private_key_and_cert_chain_pem.write_to_path(str(pem))

    cartman = agents.start("cartman", settings={"tls": {"cert": str(pem)}})

    said = "Alert certificate, warning: the certificate of the agent expires in 10 days"
    await eventually(lambda: said in cartman.log())


async def test_an_on_demand_section_is_read_for_a_rule_that_needs_it(agents: Agents) -> None:
    rule = {"name": "busy", "metric": "processes.count", "above": 0, "severity": "critical"}

    cartman = agents.start("cartman", settings={"alerts": {"rules": [rule]}})

    await eventually(lambda: "Alert busy, critical: processes.count is " in cartman.log())
