"""Clients that end their direction once they have asked, as ``nc -N`` does, with TLS and without."""

from functools import partial

import pytest

from bench.harness.agents import Agent, Agents
from doubles.certificates import Authority
from live.raw import RawClient, frame, upgrade
from live.raw_tls import Connect, TlsRawClient
from live.web import parse, request
from nodnod_client.tls import client_context

PATHS = ["/stat", "/stat/all", "/members", "/metrics", "/metrics/cluster", "/metrics?detail=load"]


@pytest.fixture(scope="module")
def plain(shared_agents: Agents) -> Agent:
    return shared_agents.start("plain")


@pytest.fixture(scope="module")
def secure(shared_agents: Agents, authority: Authority) -> Agent:
    return shared_agents.start("secure", settings={"tls": authority.settings("secure")})


@pytest.fixture(params=["tcp", "tls"])
def connect(request: pytest.FixtureRequest) -> Connect:
    if request.param == "tcp":
        return partial(RawClient, request.getfixturevalue("plain").port)
    trust = client_context(request.getfixturevalue("authority").ca)
    return partial(TlsRawClient, request.getfixturevalue("secure").port, trust)


@pytest.mark.parametrize("path", PATHS)
async def test_a_page_comes_whole_and_then_the_end(connect: Connect, path: str) -> None:
    async with connect() as client:
        await client.send_and_end(request(path))

        page = parse(await client.rest())

    assert page.status == 200
    assert len(page.body) == int(page.headers["Content-Length"])


@pytest.mark.parametrize("count", [1, 200])
async def test_each_question_is_answered_and_then_comes_the_end(
    connect: Connect, count: int
) -> None:
    questions = b"".join(frame(f'{{"type":1,"id":{number}}}') for number in range(count))
    async with connect() as client:
        await client.send_and_end(upgrade() + questions)
        await client.head()

        answers = [await client.answer() for _ in range(count)]

        assert sorted(answer["id"] for answer in answers) == list(range(count))
        assert await client.rest() == b""


async def test_a_stream_ends_with_the_questions(connect: Connect) -> None:
    async with connect() as client:
        await client.send_and_end(upgrade() + frame('{"type":1,"every":0.25,"id":"s"}'))
        await client.head()

        await client.rest()
