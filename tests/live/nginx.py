"""A real nginx, set up as examples/nginx/nodnod.conf says, in front of three real agents."""

import asyncio
import http.client
import os
import socket
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

from websockets.asyncio.client import connect
from websockets.typing import Origin, Subprotocol

from bench.harness.agents import Agent, Agents, whole
from bench.harness.processes import free_ports
from doubles.certificates import Authority
from live.access import Secret
from live.tools import end, start, tool
from live.web import Page
from nodnod_client import Client
from nodnod_client.tls import client_context
from nodnod_client.websocket import SUBPROTOCOL

EXAMPLE = Path(__file__).parents[2] / "examples" / "nginx" / "nodnod.conf"
NAME = "nodnod.example"
NAMES = ("cartman", "kenny", "kyle")
PATIENCE = 20.0
"""Seconds that anything may take before a test gives it up."""

# What the example stands in, as Debian's /etc/nginx/nginx.conf would have it; nothing is written
# but below the prefix.
AROUND = """
daemon off;
{user}
worker_processes 2;
pid nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    include nodnod.conf;
}}
"""


class Nginx:
    """The example over these agents, with ports and paths for those it names, and nothing else."""

    def __init__(
        self, directory: Path, agents: Sequence[Agent], authority: Authority, *, tls: bool = False
    ) -> None:
        (self.port,) = free_ports(1)
        self.authority = authority
        cert, key = authority.issue("nginx", NAME, "127.0.0.1")
        text = EXAMPLE.read_text()
        changes = {
            "listen 443 ssl": f"listen 127.0.0.1:{self.port} ssl",
            "/etc/nginx/tls/nodnod.pem": cert,
            "/etc/nginx/tls/nodnod.key": key,
            "/etc/nginx/tls/ca.pem": authority.ca,
            **{f"10.0.0.{n}:7070": agent.address for n, agent in enumerate(agents, 1)},
        }
        if tls:  # as the example says
            changes |= {"proxy_pass http:": "proxy_pass https:", "#proxy_ssl": "proxy_ssl"}
        for theirs, ours in changes.items():
            assert theirs in text
            text = text.replace(theirs, ours)
        (directory / "nodnod.conf").write_text(text)
        # Workers of a master that is root become nobody, who may not see a temporary folder.
        user = "user root root;" if os.geteuid() == 0 else ""
        (directory / "nginx.conf").write_text(AROUND.format(user=user))
        self.log = directory / "nginx.log"
        program = tool("nginx", "nginx")
        where = ["-p", f"{directory}/", "-c", str(directory / "nginx.conf"), "-e", "stderr"]
        self._process = start([program, *where], self.log)

    def ready(self) -> None:
        """Wait until it listens. Raises AssertionError."""
        deadline = time.monotonic() + PATIENCE
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        raise AssertionError(f"nginx does not start:\n{self.log.read_text()}")

    def client(self, token: str = "") -> Client:
        """A client of ours, through it."""
        return Client(f"127.0.0.1:{self.port}", token=token, ca=self.authority.ca)

    async def get(self, path: str, **headers: str) -> Page:
        """A page, asked for once, under the name of the example."""
        return await asyncio.to_thread(self._get, path, headers)

    def _get(self, path: str, headers: Mapping[str, str]) -> Page:
        context = client_context(self.authority.ca)
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.port, timeout=PATIENCE, context=context
        )
        try:
            connection.request("GET", path, headers={"Host": f"{NAME}:{self.port}", **headers})
            answer = connection.getresponse()
            return Page(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def browser(self, *, origin: str, host: str = NAME, token: str = "") -> connect:
        """A WebSocket as a page opens one: with an Origin, and the token as a subprotocol."""
        return connect(
            f"wss://{host}:{self.port}/",
            host="127.0.0.1",
            port=self.port,
            ssl=client_context(self.authority.ca),
            server_hostname=NAME,
            origin=Origin(origin),
            subprotocols=[SUBPROTOCOL, Subprotocol(f"nodnod.bearer.{token}")],
            proxy=None,
        )

    def end(self) -> None:
        end(self._process)


class Cluster:
    """Three agents with a secret, and one nginx before them."""

    def __init__(self, directory: Path, agents: Agents, *, tls: bool = False) -> None:
        self.authority, secret = Authority(directory), Secret(directory)
        # The names of the machine, and that of the upstream, which is what nginx verifies.
        hosts = ("127.0.0.1", "nodnod")
        settings = {
            name: secret.settings(
                allowedHosts=[NAME],
                **({"tls": self.authority.settings(name, *hosts)} if tls else {}),
            )
            for name in NAMES
        }
        self.agents = agents.mesh(settings)
        self.token = secret.token(600)
        self.nginx = Nginx(directory, self.agents, self.authority, tls=tls)
        self._ca = self.authority.ca if tls else None

    @property
    def bearer(self) -> str:
        """What the header Authorization must be."""
        return f"Bearer {self.token}"

    async def whole(self) -> None:
        """Wait until each agent answers for all."""
        for agent in self.agents:
            await whole(agent, *NAMES, token=self.token, ca=self._ca)

    async def hosts(self, count: int) -> Counter[str]:
        """Who answers on so many WebSockets that are open at once; each is opened once."""
        seen: Counter[str] = Counter()
        async with AsyncExitStack() as stack:
            for _ in range(count):
                client = await stack.enter_async_context(self.nginx.client(self.token))
                seen[(await client.stat()).host] += 1
        return seen


@contextmanager
def running(directory: Path, *, tls: bool = False) -> Iterator[Cluster]:
    """Such a cluster, ended with the block; with ``tls`` the agents have certificates too."""
    tool("nginx", "nginx")
    agents = Agents(directory)
    try:
        cluster = Cluster(directory, agents, tls=tls)
        try:
            cluster.nginx.ready()
            yield cluster
        finally:
            cluster.nginx.end()
    finally:
        agents.end()
