"""A node in its harness and what it logs, and two agents that gossip."""

import logging

import pytest

from core.gossip_harness import GossipAgent
from core.harness import CoreHarness
from simulation.clock import FakeClock


@pytest.fixture
def harness() -> CoreHarness:
    return CoreHarness()


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "nodnod")
    return caplog


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def own(clock: FakeClock) -> GossipAgent:
    return GossipAgent(1, clock)


@pytest.fixture
def peer(clock: FakeClock) -> GossipAgent:
    return GossipAgent(2, clock)
