"""Access control in tests: secrets, their tokens, and requests that carry them."""

import asyncio
import secrets
from pathlib import Path
from ssl import SSLContext
from typing import Any

from bench.harness.agents import Agent
from eventually import eventually
from live.raw import RawClient, upgrade
from nodnod_agent.auth.tokens import Tokens
from nodnod_client import Client


class Secret:
    """A secret in a file of its own, and tokens of it."""

    def __init__(self, directory: Path, name: str = "secret") -> None:
        self.path = directory / name
        self.text = secrets.token_urlsafe(32)
        self.path.write_text(f"{self.text}\n")
        self.path.chmod(0o600)
        self.tokens = Tokens([self.text.encode()])

    @property
    def reference(self) -> str:
        """How a configuration names it."""
        return f"file:{self.path}"

    def settings(self, *older: "Secret", **more: Any) -> dict[str, Any]:
        """The settings of an agent that signs with this one, and accepts the older ones."""
        references = [secret.reference for secret in (self, *older)]
        return {"auth": {"secrets": references}, **more}

    def token(self, seconds: int = 60) -> str:
        """A token of a reader."""
        return self.tokens.mint("read", seconds, "test")


def bearer(token: str) -> str:
    """The header that carries a token."""
    return f"Authorization: Bearer {token}"


async def is_down(
    agent: Agent, peer: Agent, why: str, *, token: str = "", ca: str | SSLContext | None = None
) -> None:
    """Wait until an agent answers that a peer is down, for a reason that begins like this."""
    seen: object = None

    async def look() -> bool:
        nonlocal seen
        async with Client(agent.address, token=token, ca=ca) as client:
            answer = await client.stat_all(deadline=0.5)
        seen = answer.nodes[peer.address].error
        return answer.nodes[peer.address].error.startswith(f"down: {why}")

    await eventually(look, within=20.0, why=lambda: seen)


async def status(agent: Agent, path: str, *headers: str, websocket: bool = False) -> int:
    """The HTTP status of the answer to a request."""
    async with RawClient(agent.port) as client:
        names = {header.partition(":")[0].lower() for header in headers}
        host = [] if "host" in names else ["Host: localhost"]
        lines = [f"GET {path} HTTP/1.1", *host, *headers, "", ""]
        request = upgrade(path, *headers) if websocket else "\r\n".join(lines).encode()
        await client.send(request)
        async with asyncio.timeout(10):
            return await client.status()
