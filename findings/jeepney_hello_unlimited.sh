#!/usr/bin/env bash
# jeepney 0.9.0: the time limit of open_dbus_connection(auth_timeout=…) ends with the authentication. The
# first call, Hello, which the function makes before it returns, has no limit, and the function takes none
# for it: a bus that authenticates and is then slow holds the caller for as long as it likes. The
# documentation of auth_timeout says that it is there "so that client code won't get stuck if the server
# doesn't reply".
#
# Valid input: a bus on a unix socket that authenticates at once and answers Hello after 3 seconds, and a
# client with auth_timeout=1.
# Output:
#     jeepney 0.9.0
#     auth_timeout=1: connected as :1.1 after 3 s
# Status 0 while this is so, 1 when it has changed (TimeoutError after 1 s, say).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check jeepney==0.9.0

cat >"$folder/look.py" <<'PYTHON'
import os
import socket
import sys
import threading
import time

import jeepney
from jeepney import HeaderFields, Parser, new_method_return
from jeepney.io.blocking import open_dbus_connection

LATE = 3
path = sys.argv[1]


def serve(listening: socket.socket) -> None:
    """Authenticate one client, and answer its first call late."""
    client, _ = listening.accept()
    with client:
        received = b""
        while b"AUTH" not in received or not received.endswith(b"\r\n"):
            received += client.recv(1024)
        client.sendall(b"OK 0123456789abcdef0123456789abcdef\r\n")
        received = b""
        while b"BEGIN\r\n" not in received:
            received += client.recv(1024)
        parser = Parser()
        parser.add_data(received.partition(b"BEGIN\r\n")[2])
        while (hello := parser.get_next_message()) is None:
            parser.add_data(client.recv(1024))
        assert hello.header.fields[HeaderFields.member] == "Hello"
        time.sleep(LATE)
        client.sendall(new_method_return(hello, "s", (":1.1",)).serialise(serial=1))
        client.recv(1)  # until it ends the connection


with socket.socket(socket.AF_UNIX) as listening:
    listening.bind(path)
    listening.listen()
    threading.Thread(target=serve, args=(listening,), daemon=True).start()
    os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = f"unix:path={path}"
    began = time.monotonic()
    try:
        connection = open_dbus_connection("SYSTEM", auth_timeout=1)
    except TimeoutError as error:
        print("it has changed:", error)
        sys.exit(1)
    took = time.monotonic() - began
    print("jeepney", jeepney.__version__)
    print(f"auth_timeout=1: connected as {connection.unique_name} after {took:.0f} s")
    connection.close()
    sys.exit(took < LATE)
PYTHON
"$folder/venv/bin/python" "$folder/look.py" "$folder/bus"
