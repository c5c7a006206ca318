"""The detail sections of a node as text for a terminal: a function per section."""

from collections.abc import Callable
from typing import Any

from msgspec import UNSET
from rich.console import Group, RenderableType
from rich.text import Text

from nodnod_agent.console.table import panel_table
from nodnod_agent.console.top.workload_panels import (
    containers_panel,
    processes_panel,
    services_panel,
)
from nodnod_agent.console.units import (
    counted,
    human_bytes,
    human_part,
    human_span,
    level_mark,
    level_style,
    marked_percent,
    meter,
    percent,
    plain,
    rate,
)
from nodnod_client.sections import (
    Cpu,
    Custom,
    CustomNumber,
    DiskIo,
    Filesystem,
    Gpu,
    Load,
    Memory,
    NetworkIo,
    Pressure,
    Sensors,
    System,
    used_percent,
)

Draw = Callable[[Any, int, float], RenderableType]
"""Takes a section, the width in characters, and the Unix time in seconds."""

_CORE_WIDTH = 14
"""Characters of one core: number, bar and percentage, with spaces."""

_MAX_CUSTOM = 200
"""Numbers of custom files shown."""


def _cpu(cpu: Cpu, width: int, _: float) -> RenderableType:
    parts = ((name, getattr(cpu, name)) for name in ("user", "system", "iowait", "steal"))
    line = "   ".join(f"{name} {percent(part)}" for name, part in parts if part is not None)
    if cpu.frequency:
        line += f"   {cpu.frequency / 1000:.1f} GHz"
    cells = [
        Text.assemble(
            (f"{number:>3} ", "dim"), meter(used, 4), f"{used:>4.0f}%{level_mark(used) or ' '}"
        )
        for number, used in enumerate(cpu.cores)
        if used is not None  # offline
    ]
    per_line = max(1, width // _CORE_WIDTH)
    rows = [cells[start : start + per_line] for start in range(0, len(cells), per_line)]
    return Group(Text(line), *(Text.assemble(*row) for row in rows))


def _load(load: Load, _width: int, _: float) -> RenderableType:
    return Text(f"{load.load1:.2f}   {load.load5:.2f}   {load.load15:.2f}   (1, 5, 15 minutes)")


def _memory(memory: Memory, _width: int, _: float) -> RenderableType:
    lines = [_used("used", memory.used, memory.total)]
    if memory.swap_total:
        lines.append(_used("swap", memory.swap_used or 0, memory.swap_total))
    parts = ((name, getattr(memory, name)) for name in ("available", "cached", "buffers"))
    line = "   ".join(f"{name} {human_bytes(part)}" for name, part in parts if part is not None)
    return Group(*lines, Text(line))


def _used(name: str, used: int, total: int) -> Text:
    share = 100 * used / total if total else 0.0
    number = (f" {percent(share):>7} {level_mark(share) or ' '}", level_style(share))
    return Text.assemble(f"{name:<6}", meter(share, 20), number, f" {human_part(used, total)}")


def _filesystems(rows: list[Filesystem], width: int, now: float) -> RenderableType:
    table = panel_table(
        "Mount", *(("Device",) if width >= 70 else ()), right=("", "Used", "Free", "")
    )
    for row in rows:
        share = used_percent(row) or 0
        note, style = "", "bold red"
        if row.stuck_since is not UNSET:
            note = f"STUCK {human_span(now - row.stuck_since)}"
        elif row.error is not UNSET:
            note = plain(row.error, 40)
        elif row.measured_at is not UNSET:
            note, style = f"{human_span(now - row.measured_at)} old", "dim"
        device = [Text(plain(f"{row.device} ({row.type})"))] if width >= 70 else []
        numbers = [marked_percent(share), Text(human_bytes(row.free))]
        mount = Text(plain(row.mount), "bold" if row.counted else "")
        table.add_row(mount, *device, meter(share, 8), *numbers, Text(note, style))
    return table


def _network(rows: dict[str, NetworkIo], _width: int, _: float) -> RenderableType:
    table = panel_table("Interface", right=("Received", "Sent", "Packets/s", "Errors", "Drops"))
    for name, row in sorted(rows.items()):
        wrong = [Text(f"{n:.0f}", "red" if n else "dim") for n in (row.errors, row.drops)]
        numbers = (rate(row.recv_bytes), rate(row.sent_bytes), f"{row.packets:.0f}")
        table.add_row(Text(plain(name)), *numbers, *wrong)
    return table


def _diskio(rows: dict[str, DiskIo], _width: int, _: float) -> RenderableType:
    table = panel_table("Disk", right=("Read", "Written", "Reads/s", "Writes/s", "Busy"))
    for name, row in sorted(rows.items()):
        busy = row.busy_percent
        table.add_row(
            Text(plain(name)),
            *(rate(row.read_bytes), rate(row.write_bytes), f"{row.reads:.0f}", f"{row.writes:.0f}"),
            Text("-") if busy is None else marked_percent(busy),
        )
    return table


def _pressure(pressure: Pressure, _width: int, _: float) -> RenderableType:
    table = panel_table("Waiting for", right=("Some", "All"))
    for name in ("cpu", "memory", "io"):
        stall = getattr(pressure, name)
        if stall is not None:
            full = "-" if stall.full is None else percent(stall.full)
            table.add_row(name, marked_percent(stall.some), full)
    return table


def _sensors(sensors: Sensors, _width: int, _: float) -> RenderableType:
    lines = []
    for row in sensors.temperatures:
        hot = row.critical is not None and row.value >= row.critical
        lines.append(Text(f"{plain(row.name)} {row.value:.0f} °C", "red" if hot else ""))
    lines += [Text(f"{plain(fan.name)} {fan.rpm:.0f} rpm") for fan in sensors.fans]
    if sensors.battery is not None:
        plug = ", plugged in" if sensors.battery.plugged_in else ""
        lines.append(Text(f"battery {percent(sensors.battery.percent)}{plug}"))
    return Group(*lines) if lines else Text("none", "dim")


def _gpu(rows: list[Gpu], _width: int, _: float) -> RenderableType:
    lines = []
    for index, row in enumerate(rows):
        text = Text(plain(row.name) or f"GPU {index}", "bold")
        if row.utilisation is not None:
            text.append("  ").append_text(marked_percent(row.utilisation))
        if row.memory_total:
            text.append(f"  {human_part(row.memory_used or 0, row.memory_total)}", "not bold")
        if row.temperature is not None:
            text.append(f"  {row.temperature:.0f} °C", "not bold")
        if row.power is not None:
            text.append(f"  {row.power:.0f} W", "not bold")
        if row.error is not UNSET:
            text.append(f"  {plain(row.error, 40)}", "red")
        lines.append(text)
    return Group(*lines) if lines else Text("none", "dim")


def _custom(custom: Custom, width: int, now: float) -> RenderableType:
    table = panel_table("Number", right=("Value",))
    table.add_column("File", style="dim", no_wrap=True)
    for number in custom.numbers[:_MAX_CUSTOM]:
        row = (_series(number), f"{number.value:.10g}", number.file)
        table.add_row(*(Text(plain(cell, max(20, width // 2))) for cell in row))
    parts: list[RenderableType] = [table] if custom.numbers else []
    if (more := len(custom.numbers) - _MAX_CUSTOM) > 0:
        parts.append(Text(f"and {counted(more, 'more number')}", "dim"))
    for file in custom.files:
        note = Text(plain(file.name))
        if file.stale and file.modified is not None:
            note.append(f"  STALE, written {human_span(now - file.modified)} ago", "bold yellow")
        if file.error is not UNSET:
            note.append(f"  {plain(file.error)}", "red")
        if len(note) > len(file.name):
            parts.append(note)
    return Group(*parts) if parts else Text("none", "dim")


def _series(number: CustomNumber) -> str:
    labels = ", ".join(f"{name}={value}" for name, value in number.labels.items())
    return f"{number.name} ({labels})" if labels else number.name


def _system(system: System, _width: int, now: float) -> RenderableType:
    cores = f"{system.cores.logical} cores"
    if system.cores.physical is not None:
        cores += f" ({system.cores.physical} physical)"
    limits = []
    if system.cpu_limit is not None:
        limits.append(f"{system.cpu_limit:g} cores")
    if system.memory_limit is not None:
        limits.append(human_bytes(system.memory_limit))
    lines = [
        f"{system.os}, kernel {system.kernel}, {system.architecture}",
        f"{cores}, up for {human_span(now - system.boot_time)}",
        f"nodnod {system.agent_version}, Python {system.python_version}",
    ]
    if system.scope == "container":
        lines.append(f"in a container{' limited to ' + ' and '.join(limits) if limits else ''}")
    return Group(*(Text(plain(line)) for line in lines))


PANELS: dict[str, tuple[str, Draw]] = {
    "cpu": ("CPU", _cpu),
    "load": ("Load", _load),
    "memory": ("Memory", _memory),
    "filesystems": ("Filesystems", _filesystems),
    "network": ("Network", _network),
    "diskio": ("Disks", _diskio),
    "pressure": ("Pressure (last 10 s)", _pressure),
    "processes": ("Processes", processes_panel),
    "services": ("Services", services_panel),
    "sensors": ("Sensors", _sensors),
    "gpu": ("GPUs", _gpu),
    "containers": ("Containers", containers_panel),
    "custom": ("Custom numbers", _custom),
    "system": ("System", _system),
}
"""The title and the function of each section, in the order shown."""
