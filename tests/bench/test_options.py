import argparse

import pytest

from bench.harness.load import Plan
from bench.harness.options import add_load, add_server, plan_of
from nodnod_client.address import Address


def parse(*words: str) -> Plan:
    parser = argparse.ArgumentParser()
    add_load(parser)
    add_server(parser)
    return plan_of(parser, parser.parse_args(words))


def test_the_defaults_are_those_of_the_original():
    plan = parse()
    assert (plan.concurrent, plan.number, plan.nodes, plan.pipeline) == (10, 100, 1, 1)
    assert plan.server == Address("127.0.0.1", 7070)


def test_a_flag_may_have_one_dash_or_two():
    words = ("concurrent", "20"), ("number", "200"), ("nodes", "2"), ("server", "[::1]:7071")
    one = [part for name, value in words for part in (f"-{name}", value)]
    two = [part for name, value in words for part in (f"--{name}", value)]
    assert parse(*one) == parse(*two)
    assert parse(*one).server == Address("::1", 7071)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--number", "5", "--concurrent", "6"], "--number 5 is less than --concurrent 6"),
        (["--concurrent", "0"], "must be at least 1"),
        (["--pipeline", "x"], "invalid positive value: 'x'"),
        (["--timeout", "nan"], "must be seconds above 0"),
        (["--server", "ws://x"], "expected host:port"),
        (["--type", "3"], "invalid choice"),
    ],
)
def test_an_impossible_load_is_refused_with_the_reason(words, complaint, capsys):
    with pytest.raises(SystemExit) as ended:
        parse(*words)
    assert ended.value.code == 2
    assert complaint in capsys.readouterr().err
