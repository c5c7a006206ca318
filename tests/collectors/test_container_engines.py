"""Container engines on real unix sockets: Docker's and Podman's answers, and wrong ones."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nodnod_agent.collectors.container_engines import (
    EVERY,
    STUCK,
    Answers,
    Engines,
    Known,
    default_sockets,
    kubernetes_names,
    parse_containers,
    parse_restarts,
)
from nodnod_agent.collectors.unix_http import EngineError, get

ID, OTHER = "0123456789abcdef" * 4, "f" * 64
DOCKER = [
    {"Id": ID, "Names": ["/db/web", "/web"], "Image": "nginx:1", "State": "running",
     "Status": "Up 2 minutes (healthy)"},
    {"Id": OTHER, "Names": ["/job"], "Image": "job", "State": "restarting",
     "Status": "Restarting (1) 3 seconds ago"},
]  # fmt: skip
PODMAN = [
    {"Id": ID, "Names": ["web"], "Image": "localhost/web", "State": "running", "Status": "starting",
     "StartedAt": 1796051016, "IsInfra": False},
    {"Id": OTHER, "Names": ["x-infra"], "Image": "", "State": "running", "Status": "",
     "StartedAt": -62135596800, "IsInfra": True},
]  # fmt: skip


def page(value: Any, status: str = "200 OK", **headers: str) -> bytes:
    """An answer of HTTP; ``value`` is its body, or the JSON of it."""
    body = value if isinstance(value, bytes) else msgspec.json.encode(value)
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {text}" for name, text in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


class FakeEngine:
    """Answers each request by its target, and remembers the targets. Without an answer it hangs."""

    def __init__(self, path: Path, pages: dict[str, bytes]) -> None:
        self.path = path
        self.pages = pages
        self.asked: list[str] = []
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(path))
        self._listening.listen()
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            client, _ = self._listening.accept()
            with client, suppress(ConnectionError):  # the other end gave up
                request = b""
                while b"\r\n\r\n" not in request and (data := client.recv(4096)):
                    request += data
                if not request:
                    return
                target = request.split()[1].decode()
                self.asked.append(target)
                answer = self.pages.get(target)
                if answer is None:
                    client.recv(1)  # until the other end gives up
                else:
                    client.sendall(answer)

    def close(self) -> None:
        with socket.socket(socket.AF_UNIX) as last:
            last.connect(str(self.path))
        self._thread.join()
        self._listening.close()


Start = Callable[[dict[str, bytes]], FakeEngine]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[FakeEngine] = []

    def start(pages: dict[str, bytes]) -> FakeEngine:
        started.append(FakeEngine(tmp_path / "engine.sock", pages))
        return started[-1]

    yield start
    for engine in started:
        engine.close()


def docker(**pages: bytes) -> dict[str, bytes]:
    """What Docker answers; ``list`` and ``ping`` replace an answer."""
    return {
        "/_ping": pages.get("ping", page(b"OK", Server="Docker/24.0 (linux)")),
        "/containers/json?all=1": pages.get("list", page(DOCKER)),
        f"/containers/{ID}/json": page({"RestartCount": 3}),
        f"/containers/{OTHER}/json": page({"RestartCount": 17}),
    }


def engines(tmp_path: Path, **options: Any) -> Engines:
    """Asks in the calling thread."""
    logs = str(tmp_path / "logs")
    return Engines([str(tmp_path / "engine.sock")], logs, run=lambda work: work(), **options)


def asked(tmp_path: Path, **options: Any) -> Answers:
    here = engines(tmp_path, **options)
    here.ask(0.0)
    assert here.answers is not None
    return here.answers


def test_docker_says_names_images_states_health_and_restarts(start: Start, tmp_path: Path) -> None:
    start(docker())
    answers = asked(tmp_path)
    assert answers.errors == ()
    assert answers.containers == {
        ID: Known("docker", "web", "nginx:1", "running", "healthy", restarts=3),
        OTHER: Known("docker", "job", "job", "restarting", None, restarts=17),
    }


def test_podman_is_asked_by_its_own_api_which_has_health_and_infra(
    start: Start, tmp_path: Path
) -> None:
    engine = start({
        "/_ping": page(b"OK", Libpod_API_Version="4.3.1"),
        "/v4.0.0/libpod/containers/json?all=1": page(PODMAN),
        f"/containers/{ID}/json": page({"RestartCount": 0}),
        f"/containers/{OTHER}/json": page({}, "404 Not Found"),
    })  # fmt: skip
    answers = asked(tmp_path)
    assert answers.containers == {
        ID: Known("podman", "web", "localhost/web", "running", "starting", restarts=0),
        OTHER: Known("podman", "x-infra", None, "running", None, infra=True),
    }
    assert "/containers/json?all=1" not in engine.asked


def test_a_machine_without_a_socket_has_no_engine_and_no_error(tmp_path: Path) -> None:
    assert asked(tmp_path) == Answers({}, (), False)


HTML = page(b"<html>hello</html>", Content_Type="text/html")


@pytest.mark.parametrize(
    ("pages", "why"),
    [
        ({"/_ping": HTML, "/containers/json?all=1": HTML}, "the answer is no list of containers"),
        ({"/_ping": b"220 mail.example ESMTP\r\n"}, "the answer is no HTTP"),
        ({"/_ping": page(b"", "403 Forbidden")}, "status 403 for /_ping"),
        (docker(list=page([{"Id": 7}])), "the answer is no list of containers"),
        (docker(list=page(b'[{"Id": "ab')), "the answer is no list of containers"),
        (docker(list=page(b"[" * 100_000)), "the answer is no list of containers"),
        (docker(list=page(b'[{"X":' + b"[" * 100_000)), "the answer is no list of containers"),
        (docker(list=page(b"[" + b" " * (4 << 20) + b"]")), "more than 4 MiB for /containers/json"),
        (docker(list=b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"), "the answer is no list"),
    ],
    ids=[
        "html",
        "no HTTP",
        "refused",
        "no containers",
        "cut JSON",
        "deep",
        "deep row",
        "endless",
        "cut",
    ],
)
def test_a_wrong_answer_is_an_error_that_names_the_socket(
    start: Start, tmp_path: Path, pages: dict[str, bytes], why: str
) -> None:
    start(pages)
    answers = asked(tmp_path)
    assert (answers.containers, answers.engine) == ({}, True)
    assert len(answers.errors) == 1
    assert answers.errors[0].startswith(f"{tmp_path}/engine.sock: {why}")


def test_an_engine_that_hangs_is_an_error_after_the_deadline(start: Start, tmp_path: Path) -> None:
    start({})
    assert asked(tmp_path, deadline=0.05).errors == (
        f"{tmp_path}/engine.sock: no answer within 0.05 s",
    )


def test_the_deadline_holds_while_bytes_come(start: Start, tmp_path: Path) -> None:
    start(docker())
    with pytest.raises(TimeoutError):
        get(str(tmp_path / "engine.sock"), "/_ping", time.monotonic() - 1)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"",
    ],
    ids=["body", "headers", "chunks", "nothing"],
)
def test_an_engine_that_sends_a_byte_now_and_then_is_cut(tmp_path: Path, answer: bytes) -> None:
    ended = threading.Event()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "engine.sock"))
        listening.listen()

        def drip() -> None:
            client, _ = listening.accept()
            with client, suppress(ConnectionError):
                client.sendall(answer)
                while not ended.wait(0.01):
                    client.sendall(b"1")

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            answers = asked(tmp_path, deadline=0.1)
        finally:
            ended.set()
            thread.join()
    assert answers.errors == (f"{tmp_path}/engine.sock: no answer within 0.1 s",)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 two OK\r\n\r\n",
        b"HTTP/9.1 200 OK\r\n\r\n",
        b"\x00" * 100,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_what_is_no_http_is_an_error(start: Start, tmp_path: Path, answer: bytes) -> None:
    start({"/_ping": answer})
    assert asked(tmp_path).errors == (f"{tmp_path}/engine.sock: the answer is no HTTP",)


def test_a_socket_that_nobody_listens_on_is_an_error(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "engine.sock"))
    assert asked(tmp_path).errors == (f"{tmp_path}/engine.sock: connection refused",)


def test_names_stay_while_an_engine_fails_and_states_do_not(start: Start, tmp_path: Path) -> None:
    engine = start(docker())
    here = engines(tmp_path)
    here.ask(0.0)
    engine.pages["/containers/json?all=1"] = page(b"", "500 Internal Server Error")
    here.ask(EVERY)
    assert here.answers is not None
    assert here.answers.containers[ID] == Known("docker", "web", "nginx:1")
    assert "status 500" in here.answers.errors[0]


def test_an_engine_is_asked_every_five_seconds_at_most_and_once_at_a_time(tmp_path: Path) -> None:
    rounds: list[Callable[[], None]] = []
    here = Engines([], str(tmp_path), run=rounds.append)
    for now in (0.0, 1.0, EVERY, 2 * EVERY):
        here.ask(now)
    assert len(rounds) == 1, "the first is under way"
    rounds[0]()
    here.ask(2 * EVERY)
    rounds[1]()
    here.ask(3 * EVERY - 1)
    assert len(rounds) == 2
    here.reset()
    here.ask(3 * EVERY - 1)
    assert len(rounds) == 3


def test_answers_are_not_kept_while_a_round_hangs(tmp_path: Path) -> None:
    rounds: list[Callable[[], None]] = []
    here = Engines([], str(tmp_path), run=rounds.append)
    here.ask(0.0)
    rounds[0]()
    here.ask(EVERY)
    here.ask(EVERY + STUCK)
    assert here.answers is not None
    here.ask(EVERY + STUCK + 1)
    assert here.answers is None
    rounds[1]()
    assert here.answers is not None


def test_restarts_are_asked_of_five_containers_in_a_round(start: Start, tmp_path: Path) -> None:
    ids = [f"{number:064x}" for number in range(8)]
    rows = [{"Id": id_, "Names": [f"/{id_}"], "State": "running"} for id_ in ids]
    details = {f"/containers/{id_}/json": page({"RestartCount": 1}) for id_ in ids}
    engine = start(docker(list=page(rows)) | details)
    here = engines(tmp_path)

    def asked_for() -> list[str]:
        found = [target.split("/")[2] for target in engine.asked if target in details]
        engine.asked.clear()
        return found

    here.ask(0.0)
    assert asked_for() == ids[:5]
    here.ask(EVERY)
    assert asked_for() == [*ids[5:], *ids[:2]]
    here.ask(2 * EVERY)
    assert asked_for() == [*ids[2:5], *ids[5:7]]


def test_a_row_that_is_none_is_passed_over() -> None:
    rows = [
        7,
        {"Id": "x"},
        {"Id": ID, "Names": None, "State": "on <b>fire</b>"},
        {"Id": ID, "Names": 3},
    ]
    assert parse_containers(msgspec.json.encode(rows), "docker") == {
        ID: Known("docker", "", None, "on <b>fire</b>")
    }


def test_text_of_an_engine_can_be_sent_on_whatever_it_is() -> None:
    name = "a\u202e\x00<b>" * 1000
    (known,) = parse_containers(msgspec.json.encode([{"Id": ID, "Names": [name]}]), "x").values()
    assert known.name == name[:200]
    with pytest.raises(EngineError):
        parse_containers(b'[{"Id": "%s", "Names": ["\\ud800"]}]' % ID.encode(), "docker")


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b'{"State":' + b"[" * 100_000, b'{"RestartCount": "3"}', b'{"RestartCount": -1}'],
)
def test_restarts_may_be_unknown(body: bytes) -> None:
    assert parse_restarts(body) is None


def test_the_kubelet_names_containers_by_their_logs(tmp_path: Path) -> None:
    (tmp_path / f"web-7d4_shop_nginx-{ID}.log").touch()
    (tmp_path / "other.log").touch()
    assert kubernetes_names(str(tmp_path)) == {ID: Known("kubernetes", "shop/web-7d4/nginx")}
    assert kubernetes_names(str(tmp_path / "gone")) == {}


def test_the_variables_name_more_sockets() -> None:
    usual = default_sockets({})
    environ = {"DOCKER_HOST": "unix:///x/docker.sock", "CONTAINER_HOST": "tcp://127.0.0.1:2375"}
    assert default_sockets(environ) == [*usual, "/x/docker.sock"]
