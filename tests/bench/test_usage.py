import os
import threading
import time

import pytest

from bench.harness import usage
from bench.harness.usage import MainThreadMeter, schedstat

LONG = 0.02
"""Seconds of CPU: two steps of the kernel's own clock."""


def spin() -> None:
    end = time.thread_time() + LONG
    while time.thread_time() < end:
        pass


@pytest.mark.skipif(schedstat(os.getpid()) is None, reason="the kernel has no schedstat")
def test_the_main_thread_is_metered_without_the_others() -> None:
    other = threading.Thread(target=spin)
    meter = MainThreadMeter(os.getpid())
    other.start()
    other.join()
    assert meter.seconds() < LONG
    spin()
    assert meter.seconds() > LONG / 2


def test_without_schedstat_the_whole_process_is_metered(monkeypatch) -> None:
    monkeypatch.setattr(usage, "schedstat", lambda pid: None)
    meter = MainThreadMeter(os.getpid())
    other = threading.Thread(target=spin)
    other.start()
    other.join()
    assert meter.seconds() > 0
