"""Alerts, deliveries and silences: of few nodes, rules and channels, so that they meet."""

from typing import Any

from hypothesis import strategies as st

from nodnod_client.messages import MemberEntry

NOW = 1_700_000_000.0
DAY = 86_400.0
ADDRESSES = ("10.0.0.1:7070", "10.0.0.2:7070", "10.0.0.3:7070")
CHANNELS = ("a" * 16, "b" * 16, "c" * 16)


def member(address: str) -> MemberEntry | None:
    """The entry of a node; of all others nothing is known."""
    if address not in ADDRESSES:
        return None
    number = ADDRESSES.index(address)
    return MemberEntry(f"n{number}", address, f"i{number}", incarnation=5)


addresses = st.sampled_from(ADDRESSES)
rules = st.sampled_from(["cpu", "down", "disk"])
objects = st.sampled_from(["", "/", "/var"])
epochs = st.integers(0, 9)
moments = st.sampled_from([NOW, NOW - 1, NOW - 100, -0.0, 0.0])
numbers = st.none() | st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def alerts(draw: st.DrawFn) -> dict[str, Any]:
    """An alert as in JSON."""
    address = draw(addresses)
    return {
        "node": f"n{ADDRESSES.index(address)}",
        "address": address,
        "rule": draw(rules),
        "object": draw(objects),
        "epoch": draw(epochs),
        "state": draw(st.sampled_from(["firing", "resolved"])),
        "severity": draw(st.sampled_from(["warning", "critical"])),
        "value": draw(numbers),
        "since": draw(moments),
        "text": draw(st.sampled_from(["", "full", "no"])),
    }


deliveries = st.fixed_dictionaries(
    {
        "address": addresses,
        "rule": rules,
        "object": objects,
        "epoch": epochs,
        "round": st.integers(0, 2),
        "channel": st.sampled_from(CHANNELS),
        "state": st.sampled_from(["claim", "sent", "failed"]),
        "alert": st.sampled_from(["firing", "resolved"]),
        "by": addresses,
        "at": moments,
    }
)

silences = st.fixed_dictionaries(
    {
        "id": st.sampled_from(["0" * 8, "1" * 8, "2" * 16]),
        "node": st.sampled_from(["*", "n1", "n[12]"]),
        "rule": st.sampled_from(["*", "cpu"]),
        "until": st.sampled_from([NOW + 10, NOW + 20, NOW - 1]),
        "at": moments,
        "ended": st.booleans(),
    }
)
