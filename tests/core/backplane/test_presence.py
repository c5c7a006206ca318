"""What an agent makes of the messages of others, whatever they hold."""

import json
import logging
import random
import re
from typing import Any

import pytest

from doubles.samples import Scrape
from nodnod_agent.core.backplane import dialing
from nodnod_agent.core.backplane.conversations import ALIVE, SERVE
from nodnod_agent.core.backplane.dialing import NOT_THERE
from nodnod_agent.core.backplane.samples import LEASE
from nodnod_agent.core.backplane.subjects import ALL, ANSWER, ASK, Sender, Subjects
from nodnod_agent.core.backplane.teller import AS_BEFORE
from nodnod_agent.core.interfaces import BackplaneCounters, BackplaneHandler
from nodnod_agent.core.node import Node
from nodnod_agent.core.question import Question
from nodnod_agent.http.metrics import Metrics
from nodnod_client.codec import encode
from nodnod_client.messages import MemberEntry
from simulation.clock import FakeClock

NOW = 1_800_000_000.0


class FakeBus:
    """Notes what is published."""

    up = True
    server = "nats://hub:4222"
    max_payload = 1024 * 1024
    handler: BackplaneHandler

    def __init__(self) -> None:
        self.counters = BackplaneCounters()
        self.published: list[tuple[str, bytes]] = []
        self.subjects: set[str] = set()

    def start(self, handler: BackplaneHandler) -> None:
        self.handler = handler
        handler.connected()

    def publish(self, subject: str, data: bytes, reply: str = "") -> None:
        self.published.append((subject, data))

    def subscribe(self, subject: str) -> None:
        self.subjects.add(subject)

    def unsubscribe(self, subject: str) -> None:
        self.subjects.discard(subject)


class Stranger:
    """Another process, as the agent under test hears it."""

    def __init__(self, bus: FakeBus, name: str = "kyle", instance: str = "2") -> None:
        self.subjects = Subjects("default", Sender(name, instance))
        self._bus = bus
        self._name = name
        self._instance = instance

    def entry(self, **changed: Any) -> dict[str, Any]:
        own = {"name": self._name, "address": f"{self._name}:7070", "instance": self._instance}
        return own | {"incarnation": int(NOW * 1000)} | changed

    def tell(self, **changed: Any) -> None:
        entry = self.entry(**changed)
        self.send(self.subjects.word, encode({"member": entry, "started": entry["incarnation"]}))

    def serve(self, **changed: Any) -> None:
        """Tell that it is a registrar."""
        word = {"member": self.entry(**changed), "awake": True, "registrar": True}
        self.send(self.subjects.word, encode(word))

    def send(self, subject: str, data: bytes) -> None:
        self._bus.handler.received(subject, data, "")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def bus() -> FakeBus:
    return FakeBus()


@pytest.fixture
def node(bus: FakeBus, clock: FakeClock) -> Node:
    def never(*_: object) -> Any:
        raise AssertionError("nobody is dialed")

    node = Node(
        name="kenny",
        address="kenny:7070",
        instance="1",
        clock=clock,
        wall=lambda: NOW + clock.now,
        rng=random.Random(1),
        dial=never,
        backplane=bus,
    )
    node.start()
    assert node.presence is not None
    node.presence.attend()
    clock.advance(1.0)
    bus.published.clear()
    return node


def listed(node: Node) -> list[str]:
    return [member.listed for member in node.peers.roster.listing() if member.up]


def test_who_tells_a_word_is_listed(node: Node, bus: FakeBus, clock: FakeClock) -> None:
    Stranger(bus).tell()
    clock.advance(0.1)
    assert listed(node) == ["kyle"]


@pytest.mark.parametrize(
    "changed",
    [
        {"name": "kenny"},
        {"name": ""},
        {"instance": "3"},
        {"address": "nowhere"},
        {"address": ""},
        {"incarnation": -1},
        {"incarnation": "x"},
        {"state": "lost"},
        {"tags": 7},
    ],
)
def test_a_word_that_is_wrong_is_dropped_with_a_warning(
    node: Node,
    bus: FakeBus,
    clock: FakeClock,
    changed: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    Stranger(bus).tell(**changed)
    clock.advance(0.1)
    expected = ["kyle"] if changed == {"address": "nowhere"} else []  # it is a host without a port
    assert listed(node) == expected
    assert bool(caplog.records) != bool(expected)


@pytest.mark.parametrize("data", [b"", b"x", b"[]", b"{}", b'{"member":{}}', b"\xff", b"[" * 9999])
@pytest.mark.parametrize("kind", ["word", "sample", "all"])
def test_any_bytes_disturb_nothing(
    node: Node, bus: FakeBus, clock: FakeClock, kind: str, data: bytes
) -> None:
    stranger = Stranger(bus)
    stranger.tell()
    stranger.send(getattr(stranger.subjects, kind), data)
    clock.advance(0.1)
    assert listed(node) == ["kyle"]


def asked(bus: FakeBus, data: bytes) -> list[str]:
    """The processes that were asked this."""
    return [subject.split(".")[3] for subject, sent in bus.published if sent == data]


def test_a_word_that_has_not_changed_is_asked_for_where_it_was_not_heard(
    node: Node, bus: FakeBus, clock: FakeClock
) -> None:
    kyle, stan = Stranger(bus), Stranger(bus, "stan", "3")
    kyle.tell()
    for one in (kyle, stan):
        one.send(one.subjects.word, AS_BEFORE)
    assert asked(bus, ALIVE) == ["stan"]
    stan.tell()
    stan.send(stan.subjects.word, AS_BEFORE)
    clock.advance(0.1)
    assert asked(bus, ALIVE) == ["stan"]
    assert sorted(listed(node)) == ["kyle", "stan"]


def test_who_is_not_connected_is_down_at_once_and_up_with_its_next_word(
    node: Node, bus: FakeBus, clock: FakeClock
) -> None:
    kyle = Stranger(bus)
    kyle.tell()
    clock.advance(0.1)
    for subject in ("nodnod.default.answer.kenny.1.stan.3", "nodnod.default.word.kyle.2", "", "x"):
        bus.handler.unheard(subject)  # of others, or by strangers
    assert listed(node) == ["kyle"]
    bus.handler.unheard("nodnod.default.answer.kenny.1.kyle.2")
    (member,) = node.peers.roster.listing()
    assert member.error == f"down: {NOT_THERE}"
    kyle.tell()
    clock.advance(0.1)
    assert listed(node) == ["kyle"]


def test_a_message_of_an_unknown_kind_is_dropped_with_a_warning(
    node: Node, bus: FakeBus, caplog: pytest.LogCaptureFixture
) -> None:
    bus.handler.received("nodnod.default.what.kyle.2", b"{}", "")
    assert not node.peers.roster.members
    assert caplog.records


def test_the_own_messages_that_come_back_are_ignored(
    node: Node, bus: FakeBus, clock: FakeClock
) -> None:
    Stranger(bus, "kenny", "1").tell(incarnation=int(NOW * 1000) + 9)
    clock.advance(0.1)
    assert not node.peers.roster.members


def test_an_older_process_does_not_take_the_address_of_one_that_is_there(
    node: Node, bus: FakeBus, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    Stranger(bus).tell()
    caplog.set_level(logging.WARNING)
    Stranger(bus, "kyle", "3").tell(incarnation=1)
    clock.advance(0.1)
    (member,) = node.peers.roster.listing()
    assert member.instance == "2"
    assert "a word of kyle:7070, where kyle (2) is" in caplog.text


def test_a_request_is_answered_to_who_has_asked(node: Node, bus: FakeBus, clock: FakeClock) -> None:
    kyle = Stranger(bus)
    kyle.send(kyle.subjects.to(ASK, Sender("kenny", "1")), b'{"type":0,"statType":1,"id":7}')
    clock.advance(0.01)
    answers = [
        data for subject, data in bus.published if subject.startswith("nodnod.default.answer")
    ]
    assert [subject for subject, _ in bus.published if ".answer." in subject] == [
        "nodnod.default.answer.kyle.2.kenny.1"
    ]
    assert answers[0].endswith(b'"id":7}')


def test_a_thousand_calls_are_answered_by_one_word(
    node: Node, bus: FakeBus, clock: FakeClock
) -> None:
    for number in range(1000):
        caller = Stranger(bus, f"caller-{number}", str(number))
        caller.send(f"nodnod.default.{ALL}.caller-{number}.{number}", b'{"words":true}')
    bus.published.clear()
    clock.advance(0.5)
    words = [subject for subject, _ in bus.published if ".word." in subject]
    assert len(words) == len([one for one in bus.published if ".tell." in one[0]]) + 1


def test_a_lease_is_bounded(node: Node, bus: FakeBus, clock: FakeClock) -> None:
    kyle = Stranger(bus)
    kyle.send(kyle.subjects.all, b'{"lease":1e300}')
    clock.advance(100.0)
    assert node.presence is not None
    bus.published.clear()
    node.presence.samples.sampled()
    assert not [one for one in bus.published if ".sample." in one[0]]


def test_samples_are_heard_by_those_that_show_them(
    node: Node, bus: FakeBus, clock: FakeClock
) -> None:
    assert node.presence is not None
    node.presence.attend()
    words, samples = {"nodnod.default.word.>"}, {"nodnod.default.sample.>"}
    assert words <= bus.subjects
    assert not samples & bus.subjects
    node.presence.samples.want()
    assert samples <= bus.subjects
    clock.advance(LEASE + 1.0)
    assert words <= bus.subjects
    assert not samples & bus.subjects


def test_the_goodbye_is_the_last_word(node: Node, bus: FakeBus) -> None:
    node.leave()
    subject, data = bus.published[-1]
    assert subject == "nodnod.default.word.kenny.1"
    assert b'"state":"left"' in data
    assert isinstance(node.peers.gossip.table.own, MemberEntry)


class Speaker(Stranger):
    """A process that speaks for the site ``eu``."""

    def __init__(self, bus: FakeBus, name: str = "kyle", site: str = "eu") -> None:
        super().__init__(bus, name)
        self.subjects = Subjects("default", Sender(name, "2"), site)

    def speak(self, *others: dict[str, Any], tags: dict[str, str] | None = None) -> None:
        own = self.entry(tags={"site": "eu"} if tags is None else tags)
        self.send(self.subjects.site, encode({"member": own, "others": list(others)}))


def other(name: str, error: str = "", **changed: Any) -> dict[str, Any]:
    member = {"name": name, "address": f"{name}:7070", "instance": name}
    member |= {"incarnation": int(NOW * 1000), "tags": {"site": "eu"}} | changed
    return {"member": member, "error": error}


def test_a_speaker_tells_of_all_nodes_of_its_site(
    node: Node, bus: FakeBus, clock: FakeClock
) -> None:
    Speaker(bus).speak(other("stan"), other("cartman", "connection refused"))
    clock.advance(0.1)
    found = {one.listed: one.error for one in node.peers.roster.listing()}
    assert found == {"kyle": "", "stan": "", "cartman": "down: connection refused"}


def test_a_node_that_a_speaker_no_longer_sees_is_down_and_up_again(
    node: Node, bus: FakeBus, clock: FakeClock
) -> None:
    speaker = Speaker(bus)
    for error in ("", "no answer", ""):
        speaker.speak(other("stan", error))
        clock.advance(0.1)
        errors = {one.listed: one.error for one in node.peers.roster.listing()}
        assert errors["stan"] == (f"down: {error}" if error else "")


def test_a_speaker_tells_of_no_node_of_another_site(
    node: Node, bus: FakeBus, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    speaker = Speaker(bus)
    speaker.speak(
        other("stan", tags={"site": "us"}), other("cartman", tags={}), other("kenny", instance="1")
    )
    clock.advance(0.1)
    assert listed(node) == ["kyle"]
    speaker.speak(other("stan"), tags={"site": "us"})
    assert "kyle (2) sent a word for the site eu, where it is not" in caplog.text
    clock.advance(0.1)
    assert listed(node) == ["kyle"]


@pytest.mark.parametrize(
    "claim",
    [
        other("stan", tags={"site": "us"}),
        other("stan", "down", tags={"site": "us"}),
        other("stan", tags={"site": "us"}, address="elsewhere:7070"),
        other("stan", tags={"site": "us"}, state="left"),
        other("stan", tags={"site": "us"}, instance="9", incarnation=int(NOW * 1000) + 9),
        other("wendy", tags={"site": "us"}, address="stan:7070", incarnation=int(NOW * 1000) + 9),
        other("kyle", "down", tags={"site": "us"}, instance="2"),
        other("butters", tags={"site": "us"}, instance="2"),
    ],
)
def test_a_speaker_takes_no_node_that_is_up_from_another_site(
    node: Node, bus: FakeBus, clock: FakeClock, claim: dict[str, Any]
) -> None:
    speaker, mallory = Speaker(bus), Speaker(bus, "mallory", "us")
    Stranger(bus, "butters").tell()
    speaker.speak(other("stan"))
    clock.advance(0.1)
    mallory.speak(claim, tags={"site": "us"})
    numbers = encode({"nodes": {name: {} for name in ("stan", "kyle", "butters", "mallory")}})
    taken: list[str] = []
    assert node.presence is not None
    node.presence._published = lambda member: taken.append(member.name)
    mallory.send(mallory.subjects.numbers, numbers)
    clock.advance(0.1)
    assert sorted(listed(node)) == ["butters", "kyle", "mallory", "stan"]
    assert taken == ["mallory"]


@pytest.mark.parametrize("state", ["up", "left"])
def test_a_node_takes_no_address_of_one_that_is_up_in_a_site(
    node: Node, bus: FakeBus, clock: FakeClock, state: str
) -> None:
    Speaker(bus).speak(other("stan", address="10.0.0.1:7070"))
    clock.advance(0.1)
    mallory = Stranger(bus, "mallory", "3")
    mallory.tell(address="10.0.0.1:7070", incarnation=int(NOW * 1000) + 9, state=state)
    clock.advance(0.1)
    assert sorted(listed(node)) == ["kyle", "stan"]


def test_a_node_that_has_changed_its_site_is_told_of_by_the_new_one(
    node: Node, bus: FakeBus, clock: FakeClock
) -> None:
    old, new = Speaker(bus), Speaker(bus, "wendy", "us")
    old.speak(other("stan"))
    clock.advance(0.1)
    moved = other("stan", tags={"site": "us"}, instance="9", incarnation=int(NOW * 1000) + 9)
    for word in ((), (other("stan", "no answer"),)):
        new.speak(moved, tags={"site": "us"})
        old.speak(*word)
        clock.advance(0.1)
    new.speak(moved, tags={"site": "us"})
    clock.advance(0.1)
    found = {one.listed: one.instance for one in node.peers.roster.listing() if one.up}
    assert found == {"kyle": "2", "wendy": "2", "stan": "9"}


def test_why_nodes_are_down_is_kept_of_few_addresses(
    node: Node, bus: FakeBus, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialing, "MAX_PROCESSES", 10)
    Speaker(bus).speak(*(other(f"node-{number}", "down") for number in range(20)))
    clock.advance(0.1)
    assert node.presence is not None
    assert len(node.presence._dialing._said) == 10


def test_numbers_of_a_site_count_from_its_speaker_only(
    node: Node, bus: FakeBus, clock: FakeClock
) -> None:
    speaker, mallory = Speaker(bus), Speaker(bus, "mallory")
    speaker.speak(other("stan"))
    clock.advance(0.1)
    taken: list[str] = []
    assert node.presence is not None
    node.presence._published = lambda member: taken.append(member.name)
    for one in (mallory, speaker):
        one.send(one.subjects.numbers, encode({"nodes": {"stan": {}, "kyle": {}, "wendy": {}}}))
        one.send(one.subjects.numbers, b"[")
    assert taken == ["stan", "kyle"]


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b'{"member":{}}', b"null"])
def test_what_is_no_word_of_a_speaker_changes_nothing(
    node: Node, bus: FakeBus, clock: FakeClock, data: bytes
) -> None:
    speaker = Speaker(bus)
    speaker.speak(other("stan"))
    for subject in (speaker.subjects.site, speaker.subjects.numbers, speaker.subjects.beat):
        speaker.send(subject, data)
    clock.advance(0.1)
    assert sorted(listed(node)) == ["kyle", "stan"]


def test_a_process_has_one_address(
    node: Node, bus: FakeBus, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    kyle = Stranger(bus)
    kyle.tell()
    kyle.tell(address="elsewhere:7070")
    clock.advance(0.1)
    assert [str(member.address) for member in node.peers.roster.listing()] == ["kyle:7070"]
    assert "a word of elsewhere:7070, but it is at kyle:7070" in caplog.text


@pytest.mark.parametrize("state", ["up", "left"])
def test_no_other_node_takes_the_address_that_a_name_gives_or_says_goodbye_for_it(
    node: Node, bus: FakeBus, clock: FakeClock, state: str
) -> None:
    Stranger(bus).tell()
    clock.advance(0.1)
    mallory = Stranger(bus, "mallory", "3")
    mallory.tell(address="kyle:7070", incarnation=int(NOW * 1000) + 9, state=state)
    clock.advance(0.1)
    assert listed(node) == ["kyle"]


def test_a_node_gets_the_address_that_its_name_gives_from_any_other(
    node: Node, bus: FakeBus, clock: FakeClock
) -> None:
    mallory = Stranger(bus, "mallory", "3")
    mallory.tell(address="kyle:7070", incarnation=int(NOW * 1000) + 9)
    clock.advance(0.1)
    Stranger(bus).tell()
    clock.advance(0.1)
    assert node.presence is not None
    (member,) = node.peers.roster.listing()
    assert (member.name, member.up) == ("kyle", True)


def test_an_address_that_two_names_share_is_that_of_the_newer_one(
    node: Node, bus: FakeBus, clock: FakeClock
) -> None:
    Stranger(bus).tell(address="10.0.0.1:7070")
    Stranger(bus, "stan", "3").tell(address="10.0.0.1:7070", incarnation=int(NOW * 1000) + 9)
    clock.advance(0.1)
    assert listed(node) == ["stan"]


def test_a_word_that_is_too_long_is_dropped(
    node: Node, bus: FakeBus, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    kyle = Stranger(bus)
    kyle.send(kyle.subjects.word, encode({"member": kyle.entry(), "more": "x" * 10_000}))
    clock.advance(0.1)
    assert listed(node) == []
    assert "a bad word: it has 10" in caplog.text


@pytest.fixture
def chief(node: Node, bus: FakeBus, clock: FakeClock) -> Stranger:
    """A registrar; the agent sleeps."""
    chief = Stranger(bus)
    for _ in range(50):
        chief.serve()
        clock.advance(1.0)
    assert node.presence is not None
    assert not node.presence.awake
    return chief


@pytest.mark.usefixtures("chief")
def test_only_the_servers_tell_that_nobody_hears_this_agent(node: Node, bus: FakeBus) -> None:
    assert node.presence is not None
    bus.handler.unheard("nodnod.default.answer.kenny.1.mallory.3")
    assert not node.presence.awake
    bus.handler.unheard("nodnod.default.answer.kenny.1.kenny.1")
    assert node.presence.awake


def test_strangers_are_forgotten_while_the_agent_sleeps(
    node: Node, bus: FakeBus, clock: FakeClock, chief: Stranger
) -> None:
    assert node.presence is not None
    for number in range(100):
        other = Stranger(bus, "other", str(number))
        other.send(other.subjects.all, b'{"words":true}')
        other.send(other.subjects.to(ASK, Sender("kenny", "1")), b'{"type":0,"id":7}')
    assert len(node.presence.processes.by_sender) == 101
    for _ in range(10):
        chief.send(chief.subjects.all, b'{"registrar":true}')
        clock.advance(10.0)
    assert list(node.presence.processes.by_sender) == [Sender("kyle", "2")]


def test_who_has_stood_still_judges_nobody_before_it_could_hear(
    node: Node, bus: FakeBus, clock: FakeClock
) -> None:
    Stranger(bus).tell()
    clock.advance(0.1)
    clock.now += 20.0
    clock.advance(0.1)
    assert listed(node) == ["kyle"]
    clock.advance(5.0)
    assert listed(node) == []


@pytest.fixture
def registrar(node: Node, bus: FakeBus) -> Node:
    """The agent, which is a registrar."""
    kyle = Stranger(bus)
    kyle.send(kyle.subjects.to(ASK, Sender("kenny", "1")), SERVE)
    return node


def test_one_node_does_not_take_the_places_of_all_registrars(
    registrar: Node, bus: FakeBus, clock: FakeClock
) -> None:
    for number in range(5):
        Stranger(bus, "mallory", f"0{number}").serve(address=f"mallory:{number + 1}")
    clock.advance(5.0)
    assert registrar.presence is not None
    assert registrar.presence.registrar


def test_the_next_registrar_calls_where_the_first_does_not(
    registrar: Node, bus: FakeBus, clock: FakeClock
) -> None:
    for _ in range(5):
        Stranger(bus, "mallory", "0").serve()
        clock.advance(4.0)
    calls = [data for subject, data in bus.published if subject == "nodnod.default.all.kenny.1"]
    assert b'{"registrar":true}' in calls


@pytest.mark.parametrize(
    "claimed", [{"error": "down"}, {"state": "left"}, {"address": "elsewhere:7070"}]
)
def test_a_speaker_does_not_speak_for_a_node_that_tells_that_it_is_elsewhere(
    node: Node,
    bus: FakeBus,
    clock: FakeClock,
    claimed: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    stan = Stranger(bus, "stan", "stan")
    stan.tell()
    clock.advance(0.1)
    Speaker(bus).speak(other("stan", **claimed))
    Speaker(bus).speak(other("stan", **claimed | {"instance": "4", "incarnation": 2**52}))
    stan.tell()
    clock.advance(0.1)
    found = {str(one.address): one.error for one in node.peers.roster.listing()}
    assert found["stan:7070"] == ""
    assert "which is in another site" in caplog.text
    bus.published.clear()
    node.peers.roster.nodes["stan"].link.ask(1, b"{}")  # type: ignore[union-attr]
    assert [subject for subject, _ in bus.published] == ["nodnod.default.ask.stan.stan.kenny.1"]


@pytest.mark.parametrize("body", [b"5", b"null", b"[]", b"{}", b'{"name":5}'])
def test_numbers_of_a_site_that_are_no_object_are_dropped(
    node: Node, bus: FakeBus, clock: FakeClock, body: bytes
) -> None:
    speaker = Speaker(bus)
    speaker.speak(other("stan") | {"listed": "stan@eu"})
    numbers = b'{"host":"kyle","nodes":{"stan@eu":%b},"error":""}' % body
    speaker.send(speaker.subjects.numbers, numbers)
    clock.advance(0.1)
    assert sorted(listed(node)) == ["kyle", "stan"]


def asks(stranger: Stranger, **request: Any) -> None:
    to = stranger.subjects.to(ASK, Sender("kenny", "1"))
    stranger.send(to, encode({"type": 0, "statType": 0, "id": 7} | request))


def test_an_answer_that_is_too_large_for_the_servers_is_an_error_that_says_so(
    node: Node, bus: FakeBus, clock: FakeClock
) -> None:
    bus.max_payload = 60
    kyle = Stranger(bus)
    kyle.tell()
    asks(kyle)
    clock.advance(0.1)
    (answer,) = [data for subject, data in bus.published if ".answer." in subject]
    assert re.fullmatch(
        rb'{"nodes":{},"error":"the answer has \d+ bytes, and NATS takes 60 \(max_payload\)","id":7}',
        answer,
    )


def test_the_loss_of_the_bus_is_not_logged_for_each_node(
    node: Node, bus: FakeBus, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "nodnod")
    kyle = Stranger(bus)
    kyle.tell()
    clock.advance(0.1)
    assert "Connected to node: [kyle : kyle:7070]" in caplog.text
    caplog.clear()
    bus.up = False
    bus.handler.disconnected("closed by the server")
    clock.advance(5.0)
    assert listed(node) == []
    bus.up = True
    bus.handler.connected()
    kyle.tell()
    clock.advance(1.0)
    assert listed(node) == ["kyle"]
    assert caplog.records == []


def test_a_node_that_does_not_come_back_with_the_bus_is_logged(
    node: Node, bus: FakeBus, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    Stranger(bus).tell()
    clock.advance(0.1)
    bus.up = False
    bus.handler.disconnected("closed by the server")
    clock.advance(5.0)
    caplog.clear()
    bus.up = True
    bus.handler.connected()
    for _ in range(4):  # somebody looks
        assert node.presence is not None
        node.presence.attend()
        clock.advance(10.0)
    assert "Could not connect to node: kyle:7070. Error: no sign of life" in caplog.text


def test_the_nodes_that_are_heard_after_a_call_are_one_line_in_the_log(
    node: Node, bus: FakeBus, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    bus.handler.connected()
    for number in range(50):
        Stranger(bus, f"other-{number}", f"i{number}").tell()
    clock.advance(1)
    assert [one.getMessage() for one in caplog.records] == [
        "Connected to 50 nodes over the backplane"
    ]
    Stranger(bus).tell()
    clock.advance(1)
    assert "Connected to node: [kyle : kyle:7070]" in caplog.text


def test_members_tell_of_the_connection(node: Node, bus: FakeBus, clock: FakeClock) -> None:
    start = NOW + clock.now - 1.0

    def told() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(node.responder.members())["backplane"]
        return found

    assert told() == {"server": "nats://hub:4222", "since": start, "error": ""}
    bus.up = False
    bus.handler.disconnected("closed by the server")
    assert told() == {"server": "", "since": start + 1.0, "error": "closed by the server"}


def test_the_metrics_tell_of_the_connection(node: Node, bus: FakeBus) -> None:
    bus.counters.connections = 3
    bus.counters.messages["sent"] = 5
    bus.counters.bytes["received"] = 7
    bus.counters.lost["slow"] = 9
    page = Scrape(Metrics(node, dict).of_node())
    assert page("nodnod_backplane_connected") == 1
    assert page("nodnod_backplane_reconnects_total") == 2
    assert page("nodnod_backplane_messages_total", direction="sent") == 5
    assert page("nodnod_backplane_bytes_total", direction="received") == 7
    assert page("nodnod_backplane_lost_total", reason="slow") == 9
    bus.up = False
    assert Scrape(Metrics(node, dict).of_node())("nodnod_backplane_connected") == 0


class FakeHandler:
    """Notes what a link is handed."""

    def __init__(self) -> None:
        self.texts: list[bytes] = []

    def received(self, text: bytes) -> None:
        self.texts.append(text)


@pytest.mark.parametrize(
    ("answer", "handed"),
    [
        ({"host": "kyle", "error": "busy", "id": 7}, ["kyle", "stan"]),
        ({"nodes": {"stan": {"name": "stan"}}, "id": 7}, ["stan"]),
        ({"nodes": {"kyle": {"name": "kyle"}}, "id": 7}, ["kyle"]),
        ({"host": "kyle", "digest": "0" * 16, "id": -1}, ["kyle"]),
        ({"host": "kyle", "error": "busy", "id": -1}, ["kyle"]),
    ],
)
def test_an_answer_of_a_speaker_goes_to_those_that_it_is_of(
    node: Node, bus: FakeBus, clock: FakeClock, answer: dict[str, Any], handed: list[str]
) -> None:
    speaker = Speaker(bus)
    speaker.speak(other("stan"))
    clock.advance(0.1)
    assert node.presence is not None
    handlers = {one.name: FakeHandler() for one in node.presence.processes.by_sender}
    for sender, process in node.presence.processes.by_sender.items():
        process.handler = handlers[sender.name]  # type: ignore[assignment]
    speaker.send(speaker.subjects.to(ANSWER, Sender("kenny", "1")), encode(answer))
    assert sorted(name for name, one in handlers.items() if one.texts) == handed


def test_the_metrics_tell_who_speaks_for_a_site(bus: FakeBus, clock: FakeClock) -> None:
    node = Node(
        name="kenny",
        address="kenny:7070",
        instance="1",
        clock=clock,
        wall=lambda: NOW + clock.now,
        rng=random.Random(1),
        dial=lambda *_: clock.call_at(0.0, print),
        backplane=bus,
        site="eu",
    )
    node.start()
    for speaks in (0, 1):
        page = Scrape(Metrics(node, dict).of_node())
        assert page("nodnod_site_speaker", site="eu") == speaks
        clock.advance(3.0)  # in which nobody else is heard


def test_who_asks_for_a_word_is_told_and_nobody_else(
    node: Node, bus: FakeBus, clock: FakeClock
) -> None:
    kyle = Stranger(bus)
    for _ in range(100):
        kyle.send(kyle.subjects.to(ASK, Sender("kenny", "1")), ALIVE)
    clock.advance(0.5)
    assert [subject for subject, _ in bus.published] == ["nodnod.default.tell.kyle.2.kenny.1"]


def test_a_sample_that_is_too_large_is_an_error(node: Node, bus: FakeBus, clock: FakeClock) -> None:
    kyle = Stranger(bus)
    kyle.tell()
    clock.advance(0.1)
    kyle.send(kyle.subjects.sample, b'{"name":"kyle","error":"' + b"x" * 1_000_000 + b'"}')
    assert node.presence is not None
    (member,) = node.peers.roster.listing()
    found = node.presence.samples.fresh(member, Question())
    assert found is not None
    assert b'"error":"bad answer: ' in found
    assert len(found) < 1000
