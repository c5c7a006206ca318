"""A real nginx, set up as examples/nginx/nodnod.conf says, in front of three real agents."""

import asyncio
import http.client
import os
import socket
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
from live.tools import end, start, tool, wait_until
from live.web import Page
from nodnod_client import Client
from nodnod_client.tls import client_context
from nodnod_client.websocket import SUBPROTOCOL

EXAMPLE = Path(__file__).parents[2] / "examples" / "nginx" / "nodnod.conf"
NAME = "nodnod.example"
NAMES = ("cartman", "kenny", "kyle")
PATIENCE = 20.0
"""Seconds after which a test gives up."""

# What the example is included in, like Debian's /etc/nginx/nginx.conf; all files are below the
# prefix.
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
    """The example with these agents, and with other ports and paths."""

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
        # Workers of a root master run as nobody, which cannot read a temporary folder.
        user = "user root root;" if os.geteuid() == 0 else ""
        (directory / "nginx.conf").write_text(AROUND.format(user=user))
        self.log = directory / "nginx.log"
        program = tool("nginx", "nginx")
        where = ["-p", f"{directory}/", "-c", str(directory / "nginx.conf"), "-e", "stderr"]
        self._process = start([program, *where], self.log)

    def ready(self) -> None:
        """Wait until it listens. Raises AssertionError."""

        def listens() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.port)) == 0

        wait_until(listens, self._process, self.log)

    def client(self, token: str = "") -> Client:
        """Our client, through nginx."""
        return Client(f"127.0.0.1:{self.port}", token=token, ca=self.authority.ca)

    async def get(self, path: str, **headers: str) -> Page:
        """A page, asked for once, by the host name of the example."""
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
        """A WebSocket as a page opens it: with an Origin, and the token as a subprotocol."""
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
    """Three agents with a secret behind one nginx."""

    def __init__(self, directory: Path, agents: Agents, *, tls: bool = False) -> None:
        self.authority, secret = Authority(directory), Secret(directory)
        # nginx verifies the name of the upstream.
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
        """The value of the header Authorization."""
        return f"Bearer {self.token}"

    async def whole(self) -> None:
        """Wait until each agent answers for all."""
        for agent in self.agents:
            await whole(agent, *NAMES, token=self.token, ca=self._ca)

    async def hosts(self, count: int) -> Counter[str]:
        """The agents that answer on so many WebSockets open at once, each opened once."""
        seen: Counter[str] = Counter()
        async with AsyncExitStack() as stack:
            for _ in range(count):
                client = await stack.enter_async_context(self.nginx.client(self.token))
                seen[(await client.stat()).host] += 1
        return seen


@contextmanager
def running(directory: Path, *, tls: bool = False) -> Iterator[Cluster]:
    """Run such a cluster until the block ends; with ``tls`` the agents have certificates too."""
    tool("nginx", "nginx")
    with Agents(directory) as agents:
        cluster = Cluster(directory, agents, tls=tls)
        try:
            cluster.nginx.ready()
            yield cluster
        finally:
            cluster.nginx.end()
