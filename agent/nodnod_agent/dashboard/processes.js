// The processes of a node: the top ones, or those that match what is typed, with their sums.

import { el, show, write } from "./dom.js";
import { LONGEST } from "./route.js";
import { Table } from "./table.js";
import { toggleGroup } from "./togglegroup.js";
import { bytes, moment, percent, rate, whole } from "./units.js";

/** Milliseconds without a key after which is asked: agents limit how many patterns they look for. */
const PAUSE = 300;

export class Processes {
  constructor() {
    this.by = "byCpu";
    this.section = null;
    this.table = new Table("Processes", [
      { head: "PID", kind: "number minor", of: ({ pid }) => String(pid) },
      { head: "Process", kind: "words", of: ({ name }) => name },
      { head: "User", kind: "words", of: ({ user }) => user },
      { head: "CPU", kind: "number", of: ({ cpu }) => percent(cpu) },
      { head: "Memory", kind: "number", of: ({ rss }) => bytes(rss) },
      { head: "Read", kind: "number minor", of: ({ readBytes }) => rate(readBytes) },
      { head: "Written", kind: "number minor", of: ({ writeBytes }) => rate(writeBytes) },
      { head: "Threads", kind: "number minor", of: ({ threads }) => whole(threads) },
      { head: "State", kind: "words minor", of: ({ state }) => state ?? "" },
      { head: "Started", kind: "words minor", of: ({ started }) => moment(started) },
    ]);
    this.count = el("span", { class: "note" });
    const orders = { byCpu: "By CPU", byMemory: "By memory", byIo: "By disk I/O" };
    this.order = toggleGroup("Sort processes", orders, this.by, (by) => {
      this.by = by;
      this.paint(this.section);
    });
    this.search = el("input", {
      type: "search",
      placeholder: "Find: postgres*",
      "aria-label": "Find processes by a part of their name, or a pattern",
      maxlength: String(LONGEST - 2),
      autocomplete: "off",
      spellcheck: "false",
    });
    this.search.addEventListener("input", () => this.#askSoon());
    /** Stays where the section is an error: what is typed may be its reason. */
    this.above = el("div", { class: "above" }, this.search, this.order, this.count);
    this.element = el("div", {}, this.table.element);
  }

  paint(section) {
    this.section = section;
    if (section === null) {
      return;
    }
    const { sums } = section;
    const rows = section[sums === undefined ? this.by : "matching"] ?? [];
    this.table.paint(rows);
    show(this.order, sums === undefined);
    const all = `${section.count} in all; CPU in percent of one core`;
    write(this.count, sums === undefined ? all : `${sumsText(sums, rows.length)} ${all}`);
  }

  #askSoon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      const detail = patternOf(this.search.value.trim());
      this.above.dispatchEvent(new CustomEvent("match", { bubbles: true, detail }));
    }, PAUSE);
  }
}

/** The pattern of processes that is meant: a part of a name, or a pattern; null for none. */
function patternOf(text) {
  return text === "" ? null : /[*?[]/.test(text) ? text : `*${text}*`;
}

function sumsText(sums, shown) {
  const parts = [`CPU ${percent(sums.cpu)}`, `memory ${bytes(sums.rss)}`];
  parts.push(`threads ${whole(sums.threads)}`);
  parts.push(`read ${rate(sums.readBytes)}`, `written ${rate(sums.writeBytes)}`);
  const part = sums.count > shown ? ` (${shown} are shown)` : "";
  return `${sums.count} found${part}: ${parts.join(", ")};`;
}
