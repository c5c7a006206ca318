"""The system bus of D-Bus: calls over one connection, each answered by a deadline or an error.

jeepney encodes and parses the messages. Its own connections wait for their first answer without a
limit. Import this module only when it is needed, so that an idle agent does not load the library.
"""

import socket
import time
from typing import Any

from jeepney import DBusAddress, HeaderFields, MessageType, Parser, new_method_call
from jeepney.auth import BEGIN, AuthenticationError, Authenticator
from jeepney.bus import get_bus
from jeepney.bus_messages import message_bus

_CHUNK = 65536

MAX_REPLY = 16 * 1024 * 1024
"""Bytes of one reply; 10,000 units are 3 MB."""


class BusError(Exception):
    """The bus, or the service that was called, answered with an error or with nonsense."""


class SystemBus:
    """One connection; after any error but ``BusError`` of a call it must be closed.

    Every ``deadline`` is on the clock of ``time.monotonic``; TimeoutError after it.
    """

    def __init__(self, deadline: float) -> None:
        """Connect and introduce ourselves. Raises OSError, BusError."""
        self._socket = socket.socket(socket.AF_UNIX)
        self._parser = Parser()
        self._serial = 0
        try:
            self._wait_until(deadline)
            self._socket.connect(get_bus("SYSTEM"))
            self._authenticate(deadline)
            self._reply(message_bus.Hello(), deadline)
        except BaseException:
            self.close()
            raise

    def call(
        self,
        address: DBusAddress,
        method: str,
        signature: str,
        arguments: tuple[Any, ...],
        deadline: float,
    ) -> tuple[Any, ...]:
        """Call a method; returns what it returns. Raises OSError, BusError."""
        return self._reply(new_method_call(address, method, signature, arguments), deadline)

    def close(self) -> None:
        """End the connection."""
        self._socket.close()

    def _authenticate(self, deadline: float) -> None:
        authenticator = Authenticator()
        try:
            for data in authenticator:
                self._send(data, deadline)
                authenticator.feed(self._receive(deadline))
        except AuthenticationError as error:
            raise BusError(f"no D-Bus: {str(error)[:100]}") from None
        self._send(BEGIN, deadline)

    def _reply(self, message: Any, deadline: float) -> tuple[Any, ...]:
        self._serial += 1
        self._send(message.serialise(serial=self._serial), deadline)
        received = 0
        while True:
            reply = self._parser.get_next_message()
            if reply is None:
                data = self._receive(deadline)
                received += len(data)
                if received > MAX_REPLY:
                    raise BusError(f"a reply of more than {MAX_REPLY} bytes")
                self._parser.add_data(data)
            elif reply.header.fields.get(HeaderFields.reply_serial) == self._serial:
                break
        body: tuple[Any, ...] = reply.body
        if reply.header.message_type is MessageType.error:
            name = reply.header.fields.get(HeaderFields.error_name, "error")
            raise BusError(f"{name}: {body[0]}" if body else str(name))
        return body

    def _send(self, data: bytes, deadline: float) -> None:
        self._wait_until(deadline)
        self._socket.sendall(data)

    def _receive(self, deadline: float) -> bytes:
        self._wait_until(deadline)
        data = self._socket.recv(_CHUNK)
        if not data:
            raise ConnectionResetError("the bus closed the connection")
        return data

    def _wait_until(self, deadline: float) -> None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("no answer in time")
        self._socket.settimeout(left)
