"""An agent on its stage and what it logs, and two sides that gossip."""

import logging

import pytest

from core.sides import Side
from simulation.clock import FakeClock
from simulation.stage import Stage


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "nodnod")
    return caplog


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def own(clock: FakeClock) -> Side:
    return Side(1, clock)


@pytest.fixture
def peer(clock: FakeClock) -> Side:
    return Side(2, clock)
