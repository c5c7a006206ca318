from nodnod_agent.collectors.load import compute
from nodnod_client.sections import Load


def test_load_averages_are_rounded() -> None:
    assert compute((0.123456789, 12.0, 3.999)) == Load(0.12, 12.0, 4.0)
