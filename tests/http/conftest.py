"""A node with a sample of every section, and its own page of metrics."""

import pytest

from core.harness import CoreHarness
from doubles.samples import Scrape, full_sample, scrape


@pytest.fixture
def harness() -> CoreHarness:
    harness = CoreHarness()
    harness.node.sampled(full_sample())
    return harness


@pytest.fixture
def own(harness: CoreHarness) -> Scrape:
    return scrape(harness)
