// The processes of a node: the top ones, or those that match what is typed, with their sums.

import { numbers, words } from "./columns.js";
import { el, write } from "./dom.js";
import { Find } from "./find.js";
import { LONGEST } from "./route.js";
import { Table } from "./table.js";
import { findOf } from "./tableoptions.js";
import { bytes, moment, percent, rate, whole } from "./units.js";

/** Column -> the list of the top processes that it takes; the others take those by CPU. */
const LISTS = { rss: "byMemory", readBytes: "byIo", writeBytes: "byIo" };

export class Processes {
  constructor() {
    const columns = [
      words("name", "Process", { width: 9, roomy: 11 }),
      numbers("pid", "PID", String, { minor: 2 }),
      words("user", "User", { width: 6.5, minor: 1 }),
      numbers("cpu", "CPU", percent),
      numbers("rss", "Memory", bytes),
      numbers("readBytes", "Read", rate, { minor: 3 }),
      numbers("writeBytes", "Written", rate, { minor: 3 }),
      numbers("threads", "Threads", whole, { minor: 4 }),
      words("state", "State", { width: 6.5, minor: 5 }),
      numbers("started", "Started", moment, { width: 12, minor: 6 }),
    ];
    const key = ({ pid }) => pid;
    this.table = new Table("processes", "Processes", columns, { order: "-cpu", key });
    const label = "Find processes by a part of their name, or a pattern";
    const longest = LONGEST - 2;
    this.find = new Find("processes", label, { placeholder: "Find: postgres*", longest });
    this.find.input.addEventListener("input", () => this.table.reset());
    /** Stays where the section is an error: what is typed may be its reason. */
    this.above = this.find.element;
    this.element = el("div", {}, this.table.element);
  }

  paint(section, now) {
    const { sums, count } = section;
    const list = sums === undefined ? (LISTS[this.table.column] ?? "byCpu") : "matching";
    const rows = section[list] ?? [];
    this.find.paint();
    this.table.paint(rows, now, sums === undefined ? "None." : "None matches.");
    const all = `${count} in all; CPU in percent of one core`;
    write(this.find.count, sums === undefined ? all : `${sumsText(sums, rows.length)} ${all}`);
  }
}

/** The pattern of the processes that are searched: a part of a name, or a pattern; null for none. */
export function processPattern() {
  const text = findOf("processes");
  return text === "" ? null : /[*?[]/.test(text) ? text : `*${text}*`;
}

function sumsText(sums, shown) {
  const parts = [`CPU ${percent(sums.cpu)}`, `memory ${bytes(sums.rss)}`];
  parts.push(`threads ${whole(sums.threads)}`);
  parts.push(`read ${rate(sums.readBytes)}`, `written ${rate(sums.writeBytes)}`);
  const part = sums.count > shown ? ` (${shown} are shown)` : "";
  return `${sums.count} found${part}: ${parts.join(", ")};`;
}
