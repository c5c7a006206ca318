import pytest

from doubles.systemd import FED, PID, WATCHED, Run
from nodnod_agent.core.membership.roster import Roster
from nodnod_agent.systemd import LOOK_EVERY, census
from nodnod_client.address import Address


def test_it_says_when_the_agent_is_ready_and_how_it_is() -> None:
    run = Run()
    run.sample()
    assert run.take == []

    run.supervisor.ready()

    assert run.take == ["READY=1\nSTATUS=fine"]


def test_without_a_manager_nothing_is_said_and_nothing_is_due() -> None:
    run = Run(path="", **WATCHED)

    run.ready()
    with run.supervisor.reloading():
        pass
    run.live(60)
    run.supervisor.stopping()
    run.supervisor.close()

    assert run.manager.address == ""
    assert run.take == []


@pytest.mark.parametrize("path", ["/run/systemd/notify", "@notify"])
def test_the_manager_is_where_the_variable_says(path: str) -> None:
    assert Run(path=path).manager.address == path


@pytest.mark.parametrize("path", ["notify", "vsock:2:1234", " "])
def test_an_address_of_another_kind_is_named_in_the_log_and_left_alone(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    run = Run(path=path)
    run.ready()

    assert run.manager.address == ""
    assert f"NOTIFY_SOCKET: expected a path or @name, got {path!r}" in caplog.messages


# -- status ----------------------------------------------------------------------------------------


def test_the_status_is_said_again_when_it_has_changed_and_only_then() -> None:
    run = Run()
    run.ready()
    run.live(5)
    assert run.take == []

    run.status = "worse"
    run.live(5)

    assert run.take == ["STATUS=worse"]


def test_the_status_counts_the_nodes_and_those_that_are_down() -> None:
    roster = Roster("kyle", "1")
    assert census(roster) == "nodes: 1, down: 0"

    roster.add(Address("127.0.0.1", 7071), configured=True)

    assert census(roster) == "nodes: 2, down: 1"


# -- watchdog --------------------------------------------------------------------------------------


@pytest.mark.parametrize("whose", [{"WATCHDOG_PID": str(PID)}, {"WATCHDOG_PID": ""}, {}])
def test_the_watchdog_is_fed_twice_in_its_time(whose: dict[str, str]) -> None:
    run = Run(WATCHDOG_USEC="30000000", **whose)
    run.sample()
    run.supervisor.ready()
    assert run.take[1:] == FED

    run.live(14)
    assert run.take == []
    run.live(1)
    assert run.take == FED
    run.live(15)
    assert run.take == FED


@pytest.mark.parametrize(
    "watchdog",
    [
        {},
        {"WATCHDOG_USEC": ""},
        {"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"},
        {"WATCHDOG_USEC": "0"},
        {"WATCHDOG_USEC": "-5"},
        {"WATCHDOG_USEC": "soon"},
        {"WATCHDOG_USEC": "٣"},
    ],
)
def test_a_watchdog_that_is_none_or_of_another_process_is_not_fed(
    watchdog: dict[str, str],
) -> None:
    run = Run(**watchdog)
    run.ready()

    run.live(120)

    assert run.take == []


def test_it_is_not_fed_before_the_agent_is_ready() -> None:
    run = Run(**WATCHED)

    run.live(60)

    assert run.take == []


def test_without_samples_the_watchdog_starves_and_the_reason_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    run = Run(**WATCHED)
    run.ready()

    run.clock.advance(61.0)

    # At 15 s the newest sample is not old enough to be worried about.
    assert run.take == [
        "WATCHDOG=1",
        "STATUS=no sample of this machine for 30 s",
        "STATUS=no sample of this machine for 45 s",
        "STATUS=no sample of this machine for 60 s",
    ]
    assert caplog.messages == [
        "No sample of this machine for 30 s; the watchdog will end the agent"
    ]


def test_a_sample_that_comes_again_with_more_in_it_is_no_sign_of_life() -> None:
    run = Run(**WATCHED)
    run.ready()

    for _ in range(60):
        run.clock.advance(1.0)
        run.supervisor.sampled(float(run.samples))

    assert run.take.count("WATCHDOG=1") == 1


def test_the_first_sample_after_a_silence_feeds_the_watchdog_at_once() -> None:
    run = Run(**WATCHED)
    run.ready()
    run.clock.advance(32.0)
    run.manager.take()

    run.sample()

    assert run.take == ["WATCHDOG=1", "STATUS=fine"]


def test_a_long_interval_of_samples_is_no_silence() -> None:
    run = Run(interval=60.0, **WATCHED)
    run.ready()

    run.clock.advance(59.0)
    run.sample()
    run.clock.advance(59.0)

    assert run.take == FED * 7


def test_without_a_watchdog_the_silence_is_told_too(caplog: pytest.LogCaptureFixture) -> None:
    run = Run()
    run.ready()

    run.clock.advance(2 * LOOK_EVERY)

    assert run.take == ["STATUS=no sample of this machine for 20 s"]
    assert caplog.messages == ["No sample of this machine for 20 s"]


# -- reload and stop -------------------------------------------------------------------------------


def test_a_reload_has_a_beginning_with_a_stamp_and_an_end() -> None:
    run = Run()
    run.ready()
    run.monotonic = 12_345_678

    with run.supervisor.reloading():
        assert run.take == ["RELOADING=1\nMONOTONIC_USEC=12345\nSTATUS=reading the settings again"]
        run.status = "other"

    assert run.take == ["READY=1\nSTATUS=other"]


def test_a_reload_that_fails_has_an_end_too() -> None:
    run = Run()
    run.ready()

    with pytest.raises(ZeroDivisionError), run.supervisor.reloading():
        raise ZeroDivisionError

    assert run.take[-1] == "READY=1\nSTATUS=fine"


def test_a_reload_before_the_agent_is_ready_does_not_make_it_so() -> None:
    run = Run()

    with run.supervisor.reloading():
        pass

    assert run.take == []


def test_nothing_is_said_after_the_goodbye() -> None:
    run = Run(**WATCHED)
    run.ready()

    run.supervisor.stopping()
    assert run.take == ["STOPPING=1\nSTATUS=saying goodbye"]

    run.status = "gone"
    run.live(60)
    with run.supervisor.reloading():
        pass
    run.supervisor.close()
    assert run.take == []
    assert run.manager.closed
