// The panels of the node view: the title and the drawing of each section.

import { el, write } from "./dom.js";
import { Cores, MemoryParts, Pressure } from "./gauges.js";
import { level } from "./level.js";
import { Table } from "./table.js";
import { toggleGroup } from "./togglegroup.js";
import { bytes, known, moment, number, partOf, perSecond, percent, rate } from "./units.js";

/** As in df: rounded up. Older agents do not tell it. */
const shareUsed = ({ usedPercent, used, free }) =>
  usedPercent ?? (used + free > 0 ? Math.ceil((100 * used) / (used + free)) : null);

const warned = (text, isBad) => (isBad ? `▲ ${text}` : text);

class SectionTable {
  constructor(caption, rows, columns, none) {
    this.table = new Table(caption, columns, none);
    this.rows = rows;
    this.element = this.table.element;
  }

  paint(section) {
    this.table.paint(this.rows(section));
  }
}

const rowsOf = (section) => Object.entries(section).map(([name, of]) => ({ name, ...of }));

class Filesystems extends SectionTable {
  constructor() {
    super("Filesystems", (section) => section, [
      { head: "Mount", kind: "words", of: ({ mount }) => mount },
      { head: "Used", kind: "share", of: (row) => percent(shareUsed(row)), bar: shareUsed, level },
      { head: "Size", kind: "number", of: ({ used, total }) => partOf(used, total) },
      { head: "Free", kind: "number", of: ({ free }) => bytes(free) },
      { head: "Inodes", kind: "number minor", of: (row) => percent(row.inodesUsedPercent) },
      { head: "Device", kind: "words minor", of: ({ device, type }) => `${device} (${type})` },
      { head: "", kind: "trouble", of: trouble },
    ]);
  }
}

function trouble({ stuckSince, error, counted, measuredAt }) {
  if (known(stuckSince)) {
    return `▲ no answer since ${moment(stuckSince)}`;
  }
  if (error) {
    return `▲ ${error}`;
  }
  const age = known(measuredAt) ? [`as of ${moment(measuredAt)}`] : [];
  return [...(counted ? [] : ["not counted"]), ...age].join(", ");
}

const busy = ({ busyPercent }) => busyPercent;

class Disks extends SectionTable {
  constructor() {
    super("Disk I/O", rowsOf, [
      { head: "Disk", kind: "words", of: ({ name }) => name },
      { head: "Read", kind: "number", of: ({ readBytes }) => rate(readBytes) },
      { head: "Written", kind: "number", of: ({ writeBytes }) => rate(writeBytes) },
      { head: "Reads", kind: "number minor", of: ({ reads }) => perSecond(reads) },
      { head: "Writes", kind: "number minor", of: ({ writes }) => perSecond(writes) },
      { head: "Busy", kind: "share", of: (row) => percent(busy(row)), bar: busy, level },
    ]);
  }
}

class Interfaces extends SectionTable {
  constructor() {
    const amount = ({ recvBytes, sentBytes }) => recvBytes + sentBytes;
    const busiest = (section) => rowsOf(section).sort((a, b) => amount(b) - amount(a));
    super("Network interfaces", busiest, [
      { head: "Interface", kind: "words", of: ({ name }) => name },
      { head: "Received", kind: "number", of: ({ recvBytes }) => rate(recvBytes) },
      { head: "Sent", kind: "number", of: ({ sentBytes }) => rate(sentBytes) },
      { head: "Packets", kind: "number minor", of: ({ packets }) => perSecond(packets) },
      { head: "Errors", kind: "number", of: ({ errors }) => warned(perSecond(errors), errors > 0) },
      { head: "Drops", kind: "number", of: ({ drops }) => perSecond(drops) },
    ]);
  }
}

class Processes {
  constructor() {
    this.by = "byCpu";
    this.section = null;
    this.table = new Table("Top processes", [
      { head: "PID", kind: "number minor", of: ({ pid }) => String(pid) },
      { head: "Process", kind: "words", of: ({ name }) => name },
      { head: "User", kind: "words", of: ({ user }) => user },
      { head: "CPU", kind: "number", of: ({ cpu }) => percent(cpu) },
      { head: "Memory", kind: "number", of: ({ rss }) => bytes(rss) },
    ]);
    this.count = el("span", { class: "note" });
    const orders = { byCpu: "By CPU", byMemory: "By memory" };
    const toggle = toggleGroup("Sort processes", orders, this.by, (by) => {
      this.by = by;
      this.paint(this.section);
    });
    const above = el("div", { class: "above" }, toggle, this.count);
    this.element = el("div", {}, above, this.table.element);
  }

  paint(section) {
    this.section = section;
    if (section !== null) {
      this.table.paint(section[this.by] ?? []);
      write(this.count, `${section.count} in all; CPU in percent of one core`);
    }
  }
}

class Sensors extends SectionTable {
  constructor() {
    super("Sensors", readings, [
      { head: "Sensor", kind: "words", of: ({ name }) => name },
      { head: "Reading", kind: "number", of: ({ text }) => text },
      { head: "", kind: "trouble", of: ({ note }) => note },
    ]);
  }
}

function readings({ temperatures, fans, battery }) {
  const rows = temperatures.map(({ name, value, critical }) => ({
    name,
    text: `${value.toFixed(0)}\u00a0°C`,
    note: known(critical) ? warned(`critical is ${critical.toFixed(0)}`, value >= critical) : "",
  }));
  for (const { name, rpm } of fans) {
    rows.push({ name, text: `${rpm.toFixed(0)}\u00a0rpm`, note: "" });
  }
  if (battery !== null) {
    const note = battery.pluggedIn === null ? "" : battery.pluggedIn ? "plugged in" : "on battery";
    rows.push({ name: "Battery", text: percent(battery.percent), note });
  }
  return rows;
}

const used = ({ utilisation }) => utilisation;

class Gpus extends SectionTable {
  constructor() {
    const numbered = (section) => section.map((row, index) => ({ index, ...row }));
    super("GPUs", numbered, [
      { head: "GPU", kind: "words", of: ({ name, index }) => name || `GPU ${index}` },
      { head: "Used", kind: "share", of: (row) => percent(used(row)), bar: used },
      { head: "Memory", kind: "number", of: (row) => partOf(row.memoryUsed, row.memoryTotal) },
      { head: "°C", kind: "number", of: ({ temperature }) => number(temperature) },
      { head: "W", kind: "number", of: ({ power }) => number(power) },
      { head: "", kind: "trouble", of: ({ error }) => (error ? `▲ ${error}` : "") },
    ]);
  }
}

/** The sections that are drawn, in order: title, drawing, and size if larger than one cell. */
export const PANELS = [
  { section: "cpu", title: "Cores", Drawing: Cores },
  { section: "processes", title: "Top processes", Drawing: Processes, size: "wide tall" },
  { section: "memory", title: "Memory", Drawing: MemoryParts },
  { section: "pressure", title: "Pressure, last 10 s", Drawing: Pressure },
  { section: "filesystems", title: "Filesystems", Drawing: Filesystems, size: "wide" },
  { section: "network", title: "Network interfaces", Drawing: Interfaces },
  { section: "diskio", title: "Disk I/O", Drawing: Disks },
  { section: "sensors", title: "Sensors", Drawing: Sensors },
  { section: "gpu", title: "GPUs", Drawing: Gpus },
];
