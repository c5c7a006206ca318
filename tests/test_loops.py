"""Tests that hang are ended on each event loop."""

import asyncio
from collections.abc import Callable

import pytest

from loops import LOOPS


@pytest.mark.parametrize("new_loop", LOOPS.values(), ids=LOOPS)
@pytest.mark.timeout(1)
def test_a_test_that_hangs_is_ended_by_its_timeout(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    with (
        asyncio.Runner(loop_factory=new_loop) as runner,
        pytest.raises((pytest.fail.Exception, RuntimeError), match=r"Timeout|loop stopped"),
    ):
        runner.run(asyncio.Event().wait())
