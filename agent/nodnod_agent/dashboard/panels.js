// The panels of the node view: the title and the drawing of each section.

import { numbers, shares, words } from "./columns.js";
import { el, show, write } from "./dom.js";
import { Find } from "./find.js";
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
  /** `rows` makes the rows of a section; the rest is as of `Table`. */
  constructor(id, caption, rows, columns, options) {
    this.table = new Table(id, caption, columns, options);
    this.rows = rows;
    this.find = new Find(id, `Find in ${caption}`);
    this.find.input.addEventListener("input", () => this.table.reset());
    this.above = this.find.element;
    this.element = el("div", {}, this.table.element);
  }

  paint(section, now) {
    const rows = this.rows(section);
    const found = this.find.among(rows, this.table.columns);
    this.table.paint(found, now, rows.length > 0 ? "No row matches." : "None.");
  }
}

const rowsOf = (section) => Object.entries(section).map(([name, of]) => ({ ...of, name }));

class Filesystems extends SectionTable {
  constructor() {
    const device = ({ device, type }) => `${device} (${type})`;
    const size = (total, { used }) => partOf(used, total);
    // Those that do not answer come first.
    const order = (row) => (isBad(row) ? Infinity : shareUsed(row));
    const used = (_, row) => percent(shareUsed(row));
    const columns = [
      words("mount", "Mount", { width: 9, roomy: 13 }),
      shares("used", "Used", used, { of: order, bar: shareUsed, level }),
      numbers("total", "Size", size, { width: 9 }),
      numbers("free", "Free", bytes, { minor: 1 }),
      numbers("inodesUsedPercent", "Inodes", percent, { minor: 2 }),
      words("device", "Device", { of: device, width: 13, minor: 3 }),
    ];
    const options = { order: "-used", note: trouble };
    super("filesystems", "Filesystems", (section) => section, columns, options);
  }
}

const isBad = ({ stuckSince, error }) => known(stuckSince) || Boolean(error);

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

class Disks extends SectionTable {
  constructor() {
    const columns = [
      words("name", "Disk", { width: 5.2 }),
      numbers("readBytes", "Read", rate),
      numbers("writeBytes", "Written", rate),
      numbers("reads", "Reads", perSecond, { minor: 1 }),
      numbers("writes", "Writes", perSecond, { minor: 1 }),
      shares("busyPercent", "Busy", percent, { level }),
    ];
    super("diskio", "Disk I/O", rowsOf, columns, { order: "name" });
  }
}

class Interfaces extends SectionTable {
  constructor() {
    const errors = (value) => warned(perSecond(value), value > 0);
    const columns = [
      words("name", "Interface", { width: 7 }),
      numbers("recvBytes", "Received", rate),
      numbers("sentBytes", "Sent", rate),
      numbers("packets", "Packets", perSecond, { minor: 2 }),
      numbers("errors", "Errors", errors),
      numbers("drops", "Drops", perSecond, { minor: 1 }),
    ];
    super("network", "Network interfaces", rowsOf, columns, { order: "name" });
  }
}

class Services {
  constructor() {
    this.fault = el("p", { class: "fault" });
    this.count = el("p", { class: "note" });
    const problems = [
      words("name", "Service", { width: 9 }),
      words("state", "State", { text: (state) => `▲ ${state}`, width: 9.5 }),
      numbers("since", "Since", moment, { width: 12, minor: 1 }),
      numbers("restarts", "Restarts", whole, { minor: 2 }),
    ];
    const use = [
      words("name", "Service", { width: 9 }),
      numbers("cpu", "CPU", percent),
      numbers("memory", "Memory", bytes),
    ];
    this.problems = new Table("problems", "Services in trouble", problems, { note: lastEnd });
    this.table = new Table("services", "Top services", use, { order: "-cpu" });
    const { fault, count } = this;
    this.element = el("div", {}, fault, count, this.problems.element, this.table.element);
  }

  paint({ error, count, failed, problems, byCpu, byMemory }, now) {
    show(this.fault, error !== undefined);
    write(this.fault, `▲ Could not be read in full: ${error}`);
    show(this.count, known(count));
    show(this.problems.element, known(count));
    write(this.count, `${count} in all, ${failed} failed; CPU in percent of one core`);
    this.problems.paint(problems, now, "No service has failed.");
    this.table.paint(this.table.column === "memory" ? byMemory : byCpu, now);
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
    const columns = [
      words("name", "Sensor", { width: 10 }),
      numbers("value", "Reading", reading, { width: 7 }),
      numbers("critical", "Critical", reading, { width: 7, minor: 1 }),
    ];
    super("sensors", "Sensors", readings, columns, { note: ({ note }) => note });
  }
}

const reading = (value, { unit }) => (known(value) ? `${value.toFixed(0)}\u00a0${unit}` : "");

function readings({ temperatures, fans, battery }) {
  const rows = temperatures.map(({ name, value, critical }) => ({
    name,
    value,
    unit: "°C",
    critical,
    note: known(critical) && value >= critical ? "▲ critical" : "",
  }));
  for (const { name, rpm } of fans) {
    rows.push({ name, value: rpm, unit: "rpm", note: "" });
  }
  if (battery !== null) {
    const note = battery.pluggedIn === null ? "" : battery.pluggedIn ? "plugged in" : "on battery";
    rows.push({ name: "Battery", value: battery.percent, unit: "%", note });
  }
  return rows;
}

class Gpus extends SectionTable {
  constructor() {
    const numbered = (section) =>
      section.map(({ name, ...row }, index) => ({ ...row, name: name || `GPU ${index}` }));
    const memory = (total, { memoryUsed }) => partOf(memoryUsed, total);
    const columns = [
      words("name", "GPU", { width: 8 }),
      shares("utilisation", "Used", percent),
      numbers("memoryTotal", "Memory", memory, { width: 9 }),
      numbers("temperature", "°C", number, { width: 4, minor: 1 }),
      numbers("power", "W", number, { width: 4, minor: 2 }),
    ];
    const note = ({ error }) => (error ? `▲ ${error}` : "");
    super("gpu", "GPUs", numbered, columns, { note });
  }
}

const ofLimit = ({ memoryUsed, memoryLimit }) =>
  memoryLimit > 0 ? (100 * memoryUsed) / memoryLimit : null;

/** The state; the health where that says more. */
const condition = ({ state, health }) => {
  const words = state === "running" && health ? [health] : [state, health].filter(Boolean);
  return warned(words.join(", "), health === "unhealthy" || RESTLESS.has(state));
};

const RESTLESS = new Set(["restarting", "dead"]);

class Containers extends SectionTable {
  constructor() {
    const called = ({ name, id }) => name || id.slice(0, 12);
    const columns = [
      words("name", "Container", { of: called, width: 7.5, roomy: 16 }),
      words("state", "State", { of: condition }),
      numbers("cpu", "CPU", percent, { width: 5.6 }),
      numbers("cpuOfLimit", "Of limit", percent, { minor: 3 }),
      numbers("memoryUsed", "Memory", bytes, { width: 5.8 }),
      numbers("memoryOfLimit", "Of limit", percent, { of: ofLimit, minor: 1 }),
      numbers("recvBytes", "Received", rate, { minor: 2 }),
      numbers("sentBytes", "Sent", rate, { minor: 2 }),
      numbers("readBytes", "Read", rate, { minor: 4 }),
      numbers("writeBytes", "Written", rate, { minor: 4 }),
      numbers("processes", "Processes", whole, { width: 6.6, minor: 6 }),
      numbers("restarts", "Restarts", whole, { minor: 5 }),
      numbers("since", "Since", moment, { width: 12, minor: 7 }),
      words("image", "Image", { width: 16, minor: 8 }),
    ];
    super("containers", "Containers", ({ containers }) => containers, columns, {});
    this.note = el("p", { class: "note" });
    this.element.append(this.note);
  }

  paint(section, now) {
    super.paint(section, now);
    const { count, note } = section;
    const all = `${count} in all; CPU in percent of all cores`;
    write(this.note, note === undefined ? all : `${all}. ▲ ${note}`);
  }
}

class Custom extends SectionTable {
  constructor() {
    const columns = [
      words("name", "Number", { width: 10 }),
      numbers("value", "Value", exact, { width: 8 }),
      words("file", "File", { width: 10, minor: 1 }),
    ];
    super("custom", "Custom numbers", customRows, columns, { note: ({ note }) => note });
  }
}

/** What is wrong with files comes first, then the numbers. */
function customRows({ files, numbers }) {
  const wrong = files.filter(({ error }) => error !== undefined);
  const old = new Map(files.filter(({ stale }) => stale).map((file) => [file.name, file.modified]));
  return [
    ...wrong.map(({ name, error }) => ({ name, value: null, file: name, note: `▲ ${error}` })),
    ...numbers.map((one) => ({
      name: series(one),
      value: one.value,
      file: one.file,
      note: old.has(one.file) ? `▲ stale: written ${moment(old.get(one.file))}` : "",
    })),
  ];
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
