#!/usr/bin/env bash
# busctl of systemd 252 with --json shows no answer that has a dictionary with keys other than strings, as
# D-Bus has them (any basic type): it ends with status 1 and writes nothing, neither the other values of the
# answer nor what is wrong. Without --json the same call shows all of it.
#
# Needs busctl and dbus-daemon. Valid input: a service on a bus of its own, whose method answers a{ss}, and
# another that answers a{us} (numbers as keys); the service is made with jeepney 0.9.0.
# Output:
#     ByName --json=short: status 0, {"type":"a{ss}","data":[{"1":"one"}]}
#     ByNumber: status 0, a{us} 1 1 "one"
#     ByNumber --json=short: status 1, nothing
# Status 0 while this is so, 1 when it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check jeepney==0.9.0

"$folder/venv/bin/python" - "unix:path=$folder/bus" <<'PYTHON'
import subprocess
import sys
import threading

from jeepney import HeaderFields, MessageType, new_method_return
from jeepney.bus_messages import message_bus
from jeepney.io.blocking import open_dbus_connection

address = sys.argv[1]
ANSWERS = {"ByName": ("a{ss}", {"1": "one"}), "ByNumber": ("a{us}", {1: "one"})}


def serve(connection) -> None:
    while True:
        try:
            call = connection.receive()
        except ConnectionResetError:  # the bus has ended
            return
        if call.header.message_type is MessageType.method_call:
            signature, value = ANSWERS[call.header.fields[HeaderFields.member]]
            connection.send(new_method_return(call, signature, (value,)))


def busctl(method: str, *options: str) -> str:
    command = ["busctl", f"--address={address}", *options, "call", "org.example.A", "/", "org.example.A", method]
    done = subprocess.run(command, capture_output=True, text=True)
    said = (done.stdout + done.stderr).strip() or "nothing"
    return f"{' '.join([method, *options])}: status {done.returncode}, {said}"


daemon = subprocess.Popen(
    ["dbus-daemon", "--session", "--nofork", "--nopidfile", f"--address={address}", "--print-address"],
    stdout=subprocess.PIPE,
    stderr=subprocess.DEVNULL,
)
try:
    daemon.stdout.readline()  # it listens
    connection = open_dbus_connection(address)
    connection.send_and_get_reply(message_bus.RequestName("org.example.A"))
    threading.Thread(target=serve, args=(connection,), daemon=True).start()
    seen = [busctl("ByName", "--json=short"), busctl("ByNumber"), busctl("ByNumber", "--json=short")]
finally:
    daemon.terminate()
    daemon.wait()
print(*seen, sep="\n")
sys.exit(
    seen
    != [
        'ByName --json=short: status 0, {"type":"a{ss}","data":[{"1":"one"}]}',
        'ByNumber: status 0, a{us} 1 1 "one"',
        "ByNumber --json=short: status 1, nothing",
    ]
)
PYTHON
