"""What only a container engine knows (names, images, states, health), asked over its unix socket.

Docker's API, and libpod's where the engine is Podman: only that one has health and infra containers.
"""

import http.client
import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from nodnod_agent.collectors.kernel_files import text
from nodnod_agent.collectors.plausible import within
from nodnod_agent.collectors.unix_http import EngineError, get

EVERY = 5.0
"""Least seconds between two rounds: a list of 60 containers costs the engine 90 ms of CPU."""

DEADLINE = 2.0
"""Seconds that one socket may take in a round."""

STUCK = 30.0
"""Seconds after which a round that still runs makes the answers before it too old to be shown.

All sockets have deadlines, but a file system that hangs has none.
"""

_INSPECTED = 5
"""Containers whose restarts are asked for in one round, one by one: no list has them."""

_MAX_TEXT = 200
_MAX_COUNT = 1 << 53

_ID = re.compile(r"[0-9a-f]{64}")

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_HEALTH = re.compile(r"\b(unhealthy|healthy|starting)\b")

_KUBELET_LOG = re.compile(r"(.+)_(.+)_(.+)-([0-9a-f]{64})\.log")
"""POD_NAMESPACE_CONTAINER-ID.log in /var/log/containers"""


class Known(NamedTuple):
    """What an engine says of one container; None if it does not.

    ``infra``: it only holds the network of a pod.
    """

    engine: str
    name: str
    image: str | None = None
    state: str | None = None
    health: str | None = None
    infra: bool = False
    restarts: int | None = None


class Answers(NamedTuple):
    """The newest round: the containers by id, what went wrong, and whether there is an engine."""

    containers: Mapping[str, Known]
    errors: tuple[str, ...]
    engine: bool


class _Row(msgspec.Struct, rename="pascal"):
    """One container of ``/containers/json``, of Docker or libpod."""

    id: str
    names: list[str] | None = None
    image: str = ""
    state: str = ""
    status: str = ""
    is_infra: bool = False
    restarts: int | None = None


class _Details(msgspec.Struct, rename="pascal"):
    """One container of ``/containers/ID/json``."""

    restart_count: int | None = None


def parse_containers(body: bytes, engine: str) -> dict[str, Known]:
    """The list of an engine. A row that is none is passed over; raises EngineError if all are."""
    try:
        rows = msgspec.json.decode(body, type=list[msgspec.Raw])
    except _UNREADABLE as error:
        raise EngineError("the answer is no list of containers") from error
    found = {}
    for raw in rows:
        try:
            row = msgspec.json.decode(raw, type=_Row)
        except _UNREADABLE:
            continue
        if _ID.fullmatch(row.id):
            found[row.id] = _known(row, engine)
    if rows and not found:
        raise EngineError("the answer is no list of containers")
    return found


def _known(row: _Row, engine: str) -> Known:
    # Docker's begin with a slash; a second slash is in the alias of a link.
    names = [name.removeprefix("/") for name in row.names or ()]
    name = next((name for name in names if "/" not in name), names[0] if names else "")
    health = _HEALTH.search(row.status)
    return Known(
        engine=engine,
        name=name[:_MAX_TEXT],
        image=row.image[:_MAX_TEXT] or None,
        state=row.state.lower()[:_MAX_TEXT] or None,
        health=health[1] if health else None,
        infra=row.is_infra,
        restarts=within(0, row.restarts, _MAX_COUNT),
    )


def parse_restarts(body: bytes) -> int | None:
    """The number of restarts in the details of a container."""
    try:
        details = msgspec.json.decode(body, type=_Details)
    except _UNREADABLE:
        return None
    return within(0, details.restart_count, _MAX_COUNT)


def kubernetes_names(directory: str) -> dict[str, Known]:
    """Id -> NAMESPACE/POD/CONTAINER, by the names of the log files that the kubelet has made."""
    try:
        names = os.listdir(directory)
    except OSError:
        return {}
    found = {}
    for match in map(_KUBELET_LOG.fullmatch, names):
        if match:
            pod, namespace, container, id_ = match.groups()
            found[id_] = Known("kubernetes", text(f"{namespace}/{pod}/{container}")[:_MAX_TEXT])
    return found


def default_sockets(environ: Mapping[str, str]) -> list[str]:
    """The sockets of engines: of the machine, of the agent's user, and as the variables say."""
    user = f"/run/user/{os.geteuid()}"
    found = ["/run/docker.sock", "/run/podman/podman.sock"]
    found += [f"{user}/docker.sock", f"{user}/podman/podman.sock"]
    for name in ("DOCKER_HOST", "CONTAINER_HOST"):
        scheme, _, path = environ.get(name, "").partition("://")
        if scheme == "unix" and path:
            found.append(path)
    return list(dict.fromkeys(os.path.realpath(path) for path in found))


class _Socket:
    """One socket: which API it speaks, and what it said last."""

    def __init__(self, path: str, seconds: float) -> None:
        self._path = path
        self._seconds = seconds
        self._engine = ""
        self._containers: dict[str, Known] = {}
        self._restarts: dict[str, int | None] = {}

    def ask(self) -> tuple[Mapping[str, Known], str] | None:
        """The containers, and why they are not all known; None if there is no socket."""
        deadline = time.monotonic() + self._seconds
        try:
            os.stat(self._path)
        except (FileNotFoundError, NotADirectoryError):
            self._engine, self._containers, self._restarts = "", {}, {}
            return None
        except OSError as error:
            return {}, self._fault(error)
        try:
            self._containers = self._list(deadline)
        except (OSError, EngineError, http.client.HTTPException) as error:
            # Names stay; the rest may have changed.
            self._containers = {
                id_: known._replace(state=None, health=None)
                for id_, known in self._containers.items()
            }
            self._engine = ""
            return self._containers, self._fault(error)
        self._inspect(deadline)
        return {
            id_: known
            if known.restarts is not None
            else known._replace(restarts=self._restarts.get(id_))
            for id_, known in self._containers.items()
        }, ""

    def _list(self, deadline: float) -> dict[str, Known]:
        if not self._engine:
            _, headers = get(self._path, "/_ping", deadline)
            podman = (
                headers.get("Libpod-API-Version") or "libpod" in headers.get("Server", "").lower()
            )
            self._engine = "podman" if podman else "docker"
        prefix = "/v4.0.0/libpod" if self._engine == "podman" else ""
        # Without all=1, Podman leaves out those that are paused.
        body, _ = get(self._path, f"{prefix}/containers/json?all=1", deadline)
        return parse_containers(body, self._engine)

    def _inspect(self, deadline: float) -> None:
        """Ask for the restarts of those that were asked for least lately."""
        running = {
            id_
            for id_, known in self._containers.items()
            if known.restarts is None and known.state in ("running", "restarting")
        }
        kept = {id_: count for id_, count in self._restarts.items() if id_ in running}
        oldest = [*sorted(running - kept.keys()), *kept]
        self._restarts = kept
        for id_ in oldest[:_INSPECTED]:
            try:
                body, _ = get(self._path, f"/containers/{id_}/json", deadline)
            except (OSError, EngineError, http.client.HTTPException):
                return
            kept.pop(id_, None)
            kept[id_] = parse_restarts(body)

    def _fault(self, error: Exception) -> str:
        if isinstance(error, TimeoutError):
            why = f"no answer within {self._seconds:g} s"
        elif isinstance(error, OSError):
            why = (error.strerror or str(error) or type(error).__name__).lower()
        elif isinstance(error, http.client.HTTPException):
            why = "the answer is no HTTP"
        else:
            why = str(error)
        return f"{self._path}: {why}"[:_MAX_TEXT]


def _in_thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="nodnod-engines", daemon=True).start()


class Engines:
    """Asks the engines of this machine, in a thread of its own, so that no reading waits for one."""

    def __init__(
        self,
        sockets: Iterable[str] | None = None,
        kubelet_logs: str = "/var/log/containers",
        *,
        deadline: float = DEADLINE,
        run: Callable[[Callable[[], None]], None] = _in_thread,
    ) -> None:
        paths = default_sockets(os.environ) if sockets is None else sockets
        self._sockets = [_Socket(path, deadline) for path in paths]
        self._kubelet_logs = kubelet_logs
        self._run = run
        self._asked: float | None = None
        self._busy = False
        self.answers: Answers | None = None
        """The newest; None before the first, and while none comes for long."""

    def ask(self, now: float) -> None:
        """Start a round, if the last one is old and none is under way. Returns at once."""
        if self._busy and self._asked is not None and now - self._asked > STUCK:
            self.answers = None
        if self._busy or (self._asked is not None and now - self._asked < EVERY):
            return
        self._busy, self._asked = True, now
        self._run(self._round)

    def reset(self) -> None:
        """Forget the answers; the next call asks again."""
        self._asked = self.answers = None

    def _round(self) -> None:
        try:
            containers = kubernetes_names(self._kubelet_logs)
            errors = []
            engine = bool(containers)
            for found, error in self._each():
                engine = True
                containers |= found
                errors += [error] if error else []
            self.answers = Answers(containers, tuple(errors), engine)
        except Exception as error:  # noqa: BLE001 - the numbers stand alone
            self.answers = Answers({}, (f"{type(error).__name__}: {error}"[:_MAX_TEXT],), True)
        finally:
            self._busy = False

    def _each(self) -> Iterator[tuple[Mapping[str, Known], str]]:
        for one in self._sockets:
            answer = one.ask()
            if answer is not None:
                yield answer
