// The panels of the node view: the title and the drawing of each section.

import { el, show, write } from "./dom.js";
import { Cores, MemoryParts, Pressure } from "./gauges.js";
import { level } from "./level.js";
import { Processes } from "./processes.js";
import { Table } from "./table.js";
import {
  bytes, exact, known, moment, number, partOf, perSecond, percent, rate, whole,
} from "./units.js";

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

class Services {
  constructor() {
    this.fault = el("p", { class: "fault" });
    this.count = el("p", { class: "note" });
    this.problems = new Table(
      "Services in trouble",
      [
        { head: "Service", kind: "words", of: ({ name }) => name },
        { head: "State", kind: "words", of: ({ state }) => `▲ ${state}` },
        { head: "Since", kind: "words", of: ({ since }) => moment(since) },
        { head: "Restarts", kind: "number minor", of: ({ restarts }) => whole(restarts) },
        { head: "", kind: "trouble", of: lastEnd },
      ],
      "No service has failed.",
    );
    this.top = new Table("Top services", [
      { head: "Service", kind: "words", of: ({ name }) => name },
      { head: "CPU", kind: "number", of: ({ cpu }) => percent(cpu) },
      { head: "Memory", kind: "number", of: ({ memory }) => bytes(memory) },
    ]);
    const { fault, count, problems, top } = this;
    this.element = el("div", {}, fault, count, problems.element, top.element);
  }

  paint({ error, count, failed, problems, byCpu }) {
    show(this.fault, error !== undefined);
    write(this.fault, `▲ Could not be read in full: ${error}`);
    show(this.count, known(count));
    show(this.problems.element, known(count));
    write(this.count, `${count} in all, ${failed} failed; CPU in percent of one core`);
    this.problems.paint(problems);
    this.top.paint(byCpu);
  }
}

/** How the main process of a service ended last. */
function lastEnd({ error, result, exitStatus, signal }) {
  if (error) {
    return `▲ ${error}`;
  }
  const end = known(signal) ? ` (signal ${signal})` : known(exitStatus) ? ` (${exitStatus})` : "";
  return `${result}${end}`;
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

const ofLimit = ({ memoryUsed, memoryLimit }) =>
  memoryLimit > 0 ? (100 * memoryUsed) / memoryLimit : null;

const condition = ({ state, health }) =>
  warned([state, health].filter(Boolean).join(", "), health === "unhealthy" || RESTLESS.has(state));

const RESTLESS = new Set(["restarting", "dead"]);

class Containers {
  constructor() {
    this.table = new Table("Containers", [
      { head: "Container", kind: "words", of: ({ name, id }) => name || id.slice(0, 12) },
      { head: "State", kind: "words", of: condition },
      { head: "CPU", kind: "number", of: ({ cpu }) => percent(cpu) },
      { head: "Of limit", kind: "number minor", of: ({ cpuOfLimit }) => percent(cpuOfLimit) },
      { head: "Memory", kind: "number", of: ({ memoryUsed }) => bytes(memoryUsed) },
      { head: "Of limit", kind: "number minor", of: (row) => percent(ofLimit(row)) },
      { head: "Received", kind: "number minor", of: ({ recvBytes }) => rate(recvBytes) },
      { head: "Sent", kind: "number minor", of: ({ sentBytes }) => rate(sentBytes) },
      { head: "Read", kind: "number minor", of: ({ readBytes }) => rate(readBytes) },
      { head: "Written", kind: "number minor", of: ({ writeBytes }) => rate(writeBytes) },
      { head: "Processes", kind: "number minor", of: ({ processes }) => whole(processes) },
      { head: "Restarts", kind: "number minor", of: ({ restarts }) => whole(restarts) },
      { head: "Since", kind: "words minor", of: ({ since }) => moment(since) },
      { head: "Image", kind: "words minor", of: ({ image }) => image ?? "" },
    ]);
    this.note = el("p", { class: "note" });
    this.element = el("div", {}, this.table.element, this.note);
  }

  paint({ count, containers, note }) {
    this.table.paint(containers);
    const all = `${count} in all; CPU in percent of all cores`;
    write(this.note, note === undefined ? all : `${all}. ▲ ${note}`);
  }
}

/** Rows that are drawn of the numbers in custom files. */
const MOST_CUSTOM = 200;

class Custom extends SectionTable {
  constructor() {
    super("Custom numbers", customRows, [
      { head: "Number", kind: "words", of: ({ name }) => name },
      { head: "Value", kind: "number", of: ({ value }) => value },
      { head: "File", kind: "words minor", of: ({ file }) => file },
      { head: "", kind: "trouble", of: ({ note }) => note },
    ]);
  }
}

/** What is wrong with files comes first, then the numbers. */
function customRows({ files, numbers }) {
  const wrong = files.filter(({ error }) => error !== undefined);
  const old = new Map(files.filter(({ stale }) => stale).map((file) => [file.name, file.modified]));
  const rows = [
    ...wrong.map(({ name, error }) => ({ name, value: "", file: name, note: `▲ ${error}` })),
    ...numbers.slice(0, MOST_CUSTOM).map((one) => ({
      name: series(one),
      value: exact(one.value),
      file: one.file,
      note: old.has(one.file) ? `▲ stale: written ${moment(old.get(one.file))}` : "",
    })),
  ];
  const more = numbers.length - MOST_CUSTOM;
  const rest = { name: `and ${more} more`, value: "", file: "", note: "" };
  return more > 0 ? [...rows, rest] : rows;
}

function series({ name, labels = {} }) {
  const pairs = Object.entries(labels).map(([label, value]) => `${label}=${value}`);
  return pairs.length === 0 ? name : `${name} (${pairs.join(", ")})`;
}

/** The sections that are drawn, in order: title, drawing, size if larger than one cell, `optional` if most do without. */
export const PANELS = [
  { section: "cpu", title: "Cores", Drawing: Cores },
  { section: "processes", title: "Processes", Drawing: Processes, size: "wide tall" },
  { section: "memory", title: "Memory", Drawing: MemoryParts },
  { section: "pressure", title: "Pressure, last 10 s", Drawing: Pressure },
  { section: "filesystems", title: "Filesystems", Drawing: Filesystems, size: "wide" },
  { section: "network", title: "Network interfaces", Drawing: Interfaces },
  { section: "diskio", title: "Disk I/O", Drawing: Disks },
  { section: "services", title: "Services", Drawing: Services, size: "wide" },
  { section: "sensors", title: "Sensors", Drawing: Sensors },
  { section: "gpu", title: "GPUs", Drawing: Gpus },
  { section: "containers", title: "Containers", Drawing: Containers, size: "full" },
  { section: "custom", title: "Custom numbers", Drawing: Custom, size: "wide", optional: true },
];
