"""What commands write to terminals: in ASCII where they know no more, and as tall as they are."""

import fcntl
import io
import os
import re
import struct
import termios
from collections.abc import Iterator

import pytest
from msgspec import to_builtins

from bench.harness.threaded import Threaded
from doubles.alert_rows import alert_row
from doubles.command import command, on_terminal, read_terminal
from doubles.members import row, wire
from doubles.v1_server import node_object
from doubles.v2_server import V2Server
from nodnod_agent.console.glyphs import REPLACE, register

RUN = "import sys; from nodnod_agent.console.main import main; sys.exit(main(sys.argv[1:]))"
FRAME = b"\x1b[J"
"""The end of a table that is drawn in place."""


@pytest.fixture
def agent() -> Iterator[Threaded[V2Server]]:
    nodes = [node_object(f"node-{number:02}") for number in range(40)]
    nodes[7] = node_object("node-07", error="down: connection refused")
    server = V2Server("kyle", nodes=nodes, ticking=True)
    server.members = wire(row("x" * 60), row("kenny", "down"))
    server.alerts = to_builtins([alert_row("kyle", "cpu")])
    with Threaded(server) as running:
        yield running


def resize(terminal: io.FileIO, columns: int, lines: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


@pytest.mark.parametrize("variables", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C"}])
@pytest.mark.parametrize("flags", ["stat node-0*", "stat --history 60", "members", "alerts"])
def test_where_the_encoding_is_ascii_bars_and_marks_have_ascii_forms(
    agent: Threaded[V2Server], variables: dict[str, str], flags: str
) -> None:
    past = {"every": 2.0, "end": 1.7e9, "cpuUsed": [10.0, None, 90.0]}
    agent.server.nodes = [*(agent.server.nodes or ()), node_object("past") | {"history": past}]
    env = os.environ | {"PYTHONUTF8": "0", "COLUMNS": "118"} | variables
    nodnod = ["-c", RUN, *flags.split(), "--server", agent.address]
    with command(nodnod, env=env) as process:
        out, err = process.communicate()
    assert err == ""
    assert out.isascii()
    assert "?" not in out
    assert re.search(r"^-{20}", out, re.MULTILINE)
    assert max(map(len, out.splitlines())) <= 118
    if flags == "stat node-0*":
        assert "x node-07: down: connection refused" in out
        assert "###-------  26.7 %" in out
    if flags == "members":
        assert "x kenny: connection refused" in out


def test_what_has_no_ascii_form_keeps_its_width() -> None:
    register()
    assert "é 日本 µ…\u0301".encode("ascii", REPLACE) == b"? ???? u..."
    assert "é°…".encode("latin-1", REPLACE) == "é°...".encode("latin-1")


def test_a_table_that_is_watched_fits_the_terminal_and_notices_when_it_is_resized(
    agent: Threaded[V2Server],
) -> None:
    flags = ("stat", "--every", "3600", "--server", agent.address)
    with on_terminal("input();" + RUN, *flags) as (process, terminal):
        resize(terminal, 60, 15)
        terminal.write(b"\n")
        first = plain(read_terminal(terminal, FRAME))
        lines = first[first.index("Node") :].splitlines()
        assert [line.split()[0] for line in lines[2:4]] == ["✗", "node-00"]
        assert lines[-3:-1] == [
            "… 31 more nodes: --sort, --nodes or a taller terminal",
            "✗ node-07: down: connection refused",
        ]
        resize(terminal, 100, 30)
        second = plain(read_terminal(terminal, FRAME))
        assert "… 16 more nodes: " in second
        assert "GiB" in second
        terminal.write(b"\x03")
        assert process.wait() == 1
        read_terminal(terminal, b"\x1b[?25h")  # the cursor is visible again


def test_an_error_while_watching_stands_below_the_last_table(agent: Threaded[V2Server]) -> None:
    flags = ("alerts", "--every", "3600", "--server", agent.address)
    with on_terminal(RUN, *flags) as (process, terminal):
        read_terminal(terminal, b"as seen by")
        agent.run(agent.server.drop())
        assert "as seen by" in read_terminal(terminal, b"! ")
        terminal.write(b"\x03")
        assert process.wait() == 1


def test_on_a_terminal_that_cannot_move_its_cursor_tables_are_repeated(
    agent: Threaded[V2Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = ("alerts", "--every", "0.25", "--server", agent.address)
    dumb = "import os; os.environ['TERM'] = 'dumb';"
    with on_terminal(dumb + RUN, *flags) as (process, terminal):
        seen = read_terminal(terminal, b"as seen by") + read_terminal(terminal, b"as seen by")
        assert "\x1b" not in seen
        terminal.write(b"\x03")
        assert process.wait() == 1
