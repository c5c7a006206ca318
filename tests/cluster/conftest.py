"""The simulated world of a test."""

from collections.abc import Generator
from contextlib import nullcontext

import pytest

from simulation.network import CALM, Weather
from simulation.world import World


@pytest.fixture
def seed() -> int:
    """A test with other parameters of this name has a world for each."""
    return 1


@pytest.fixture
def weather() -> Weather:
    return CALM


@pytest.fixture
def world(seed: int, weather: Weather) -> World:
    return World(seed, weather)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Have a failure tell the seed and the last events of the test's world."""
    with pyfuncitem.funcargs.get("world") or nullcontext():
        return (yield)
