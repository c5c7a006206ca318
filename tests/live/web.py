"""Plain HTTP: one request on a connection of its own."""

import json
from email.message import Message
from email.parser import Parser
from typing import Any, NamedTuple

from bench.harness.agents import Agent
from live.raw import RawClient


class Page(NamedTuple):
    """An answer; ``headers`` ignore case."""

    status: int
    headers: Message
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def request(path: str, method: str = "GET", *headers: str, body: bytes = b"") -> bytes:
    """The bytes of a request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


async def fetch(port: int, path: str, method: str = "GET") -> Page:
    """Ask for a page and read until the other side closes."""
    async with RawClient(port) as client:
        await client.send(request(path, method))
        return parse(await client.rest())


def parse(data: bytes) -> Page:
    """Read an answer. Raises ValueError."""
    head, end, body = data.partition(b"\r\n\r\n")
    if not end:
        raise ValueError(f"no answer: {data[:200]!r}")
    status, _, fields = head.decode().partition("\r\n")
    return Page(int(status.split()[1]), Parser().parsestr(fields), body)


async def counts(agent: Agent, path: str = "/metrics") -> dict[str, float]:
    """The metrics of an agent, by name and labels as they are on the page."""
    page = await fetch(agent.port, path)
    lines = page.body.decode().splitlines()
    samples = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name: float(value) for name, _, value in samples}
