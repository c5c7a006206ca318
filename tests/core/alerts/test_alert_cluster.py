"""What alerts know of the other nodes: who is up, who can send, and how many are seen."""

from core.harness import CoreHarness
from core.unverified import TELLER, A, B, C, entry, tell, told_of
from nodnod_agent.core.alerts.alerts import ChannelIds
from nodnod_agent.core.alerts.cluster import Presence

CHANNEL, OTHER = "a" * 16, "b" * 16
OWN = "10.0.0.1:7070"


def test_nodes_count_as_up_until_they_could_not_be_reached(harness: CoreHarness) -> None:
    cluster = harness.node.alerts.cluster
    kyle = told_of(harness, "kyle", A)
    tell(harness, entry("stan", B))
    assert cluster.up() == [OWN, TELLER.address, str(A), str(B)]
    harness.attempt(B).refuse()
    assert cluster.up() == [OWN, TELLER.address, str(A)]
    kyle.hang_up()
    assert cluster.up() == [OWN, TELLER.address]


def test_senders_are_those_that_have_the_channel(harness: CoreHarness) -> None:
    cluster = harness.node.alerts.cluster
    tell(
        harness,
        entry("kyle", A, sends=[CHANNEL, OTHER]),
        entry("stan", B, sends=[OTHER]),
        entry("kenny", C),
    )
    assert cluster.senders(CHANNEL, "1", "") == [str(A)]
    harness.node.alerts.use(ChannelIds(people=(CHANNEL,)))
    assert set(cluster.senders(CHANNEL, "1", "")) == {OWN, str(A)}
    firsts = {cluster.senders(CHANNEL, f"{number}", "")[0] for number in range(20)}
    assert firsts == {OWN, str(A)}, "another one for each task"


def test_a_minority_sees_fewer_than_half_of_those_that_have_answered(harness: CoreHarness) -> None:
    presence = harness.node.alerts.cluster.presence
    kyle, stan = told_of(harness, "kyle", A), told_of(harness, "stan", B)
    tell(harness, entry("kenny", C))
    assert presence() == Presence(seen=3, known=3)
    kyle.hang_up()
    assert not presence().is_minority
    stan.hang_up()
    assert presence().is_minority


def test_a_node_is_known_by_the_address_that_it_advertises(harness: CoreHarness) -> None:
    cluster = harness.node.alerts.cluster
    peer = harness.peer("kyle", address="10.0.0.9:7070")
    (member,) = harness.node.peers.links.up()
    assert cluster.address_of(member) == "10.0.0.9:7070"
    tell(harness, entry("kyle", A))
    assert cluster.address_of(member) == str(A)
    assert str(A) in cluster.up()
    assert peer.wire.open
