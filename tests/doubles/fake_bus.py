"""A system bus with one service, systemd, whose answers are recorded; or something else there."""

import socket
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import pytest
from jeepney import HeaderFields, Message, Parser, new_error, new_method_return

NO_OBJECT = "org.freedesktop.DBus.Error.UnknownObject"

Unit = tuple[str, str, str, Mapping[str, tuple[str, Any]]]
"""The name of a unit, its active state and sub-state, and its properties with their types."""


class FakeBus:
    """Serves one connection after the other; use it as a context manager."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, directory: Path) -> None:
        path = str(directory / "bus")
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={path}")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen()
        self.units: list[Unit] = []
        self.greeting = b"OK 0123456789abcdef0123456789abcdef\r\n"
        """The answer to the authentication; empty for none."""
        self.silent = False
        """Whether calls are not answered."""
        self.connections = 0
        self.calls: list[tuple[str, Any]] = []
        self.alter: Callable[[bytes], bytes] = lambda reply: reply
        """Changes the bytes of each reply."""
        self._open: list[socket.socket] = []

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for one in (self._listener, *self._open):
            one.close()

    def drop(self) -> None:
        """End all connections."""
        for one in self._open:
            one.shutdown(socket.SHUT_RDWR)

    def _serve(self) -> None:
        try:
            while True:
                connection, _ = self._listener.accept()
                self._open.append(connection)
                self.connections += 1
                threading.Thread(target=self._speak, args=(connection,), daemon=True).start()
        except OSError:  # closed
            pass

    def _speak(self, connection: socket.socket) -> None:
        try:
            data = b""
            while not data.endswith(b"\r\n"):
                data += connection.recv(1024)
            connection.sendall(self.greeting)
            data = b""
            while not data.startswith(b"BEGIN\r\n"):
                more = connection.recv(1024)
                if not more:
                    return
                data += more
            parser = Parser()
            parser.add_data(data.removeprefix(b"BEGIN\r\n"))
            while True:
                while (message := parser.get_next_message()) is not None:
                    if not self.silent:
                        reply = self._reply(message).serialise(serial=7)
                        connection.sendall(self.alter(reply))
                more = connection.recv(65536)
                if not more:
                    return
                parser.add_data(more)
        except OSError:
            pass

    def _reply(self, message: Message) -> Message:
        method = message.header.fields[HeaderFields.member]
        self.calls.append((method, message.body))
        if method == "Hello":
            return new_method_return(message, "s", (":1.1",))
        if method == "ListUnitsByPatterns":
            states, patterns = message.body
            assert patterns == ["*.service"]
            rows = [
                (name, "", "loaded", active, sub, "", f"/unit/{number}", 0, "", "/")
                for number, (name, active, sub, _) in enumerate(self.units)
                if not states or active in states
            ]
            return new_method_return(message, "a(ssssssouso)", (rows,))
        path = message.header.fields[HeaderFields.path]
        properties = self.units[int(path.removeprefix("/unit/"))][3]
        _, name = message.body
        if name not in properties:
            return new_error(message, NO_OBJECT, "s", (f"Unknown object '{path}'.",))
        return new_method_return(message, "v", (properties[name],))
