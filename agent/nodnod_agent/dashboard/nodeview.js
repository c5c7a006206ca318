// The view of one node: charts, and a panel for each section that it tells.

import { reason } from "./card.js";
import { Chart, binaryTop, roundTop } from "./chart.js";
import { choices, choose } from "./choices.js";
import { Cursor } from "./cursor.js";
import { arrange, changeIcon, el, icon, mark, show, write } from "./dom.js";
import { PANELS } from "./panels.js";
import { pattern } from "./route.js";
import { Series } from "./series.js";
import { STATES } from "./state.js";
import { bytes, count, duration, known, moment, number, percent, rate } from "./units.js";

const HOUR = 3600;
const SPANS = [[300, "5 min"], [900, "15 min"], [HOUR, "1 hour"]];
const SECTIONS = ["system", "load", ...PANELS.map(({ section }) => section)];
/** A stacked device repeats the I/O of the disks below it. */
const STACKED = /^(dm-|md)\d/;
/** Series of the history -> our name of it. */
const HISTORY = { cpuUsed: "cpu", memoryUsedPercent: "memory", recvBytes: "recv", sentBytes: "sent", load1: "load" };

export class NodeView {
  constructor(cluster, name, link, repaint) {
    Object.assign(this, { cluster, name, link, repaint });
    this.detail = null;
    this.toldAt = null;
    this.series = Object.fromEntries(
      ["cpu", "memory", "recv", "sent", "load", "read", "write"].map((kind) => [kind, new Series(HOUR)]),
    );
    this.icon = icon("up");
    this.badge = el("span", { class: "badge" });
    this.title = el("h1", { tabindex: "-1" }, name);
    this.place = el("p", { class: "place" });
    this.why = el("p", { class: "why" });
    this.facts = el("dl", { class: "facts" });
    this.cursor = new Cursor(repaint);
    this.charts = this.#charts();
    this.panels = PANELS.map((panel) => new Panel(panel));
    this.board = el("div", { class: "panels" });
    this.lacking = el("p", { class: "note lacking" });
    const back = el("a", { class: "back", href: "#/" }, icon("back"), "All nodes");
    this.body = el("div", {}, this.#spans(), this.board, this.lacking);
    this.element = el(
      "article",
      { class: "one" },
      back,
      el("header", { class: "who" }, this.icon, this.title, this.badge, this.place),
      this.why,
      this.facts,
      this.body,
    );
  }

  /** Begin to ask for the node's detail: nobody pays for what nobody looks at. */
  enter() {
    const request = { type: 1, nodes: [pattern(this.name)], detail: SECTIONS, history: 5, every: 1 };
    this.end = this.link.stream("node", request, (answer) => this.#told(answer));
    this.ask();
  }

  /** Ask for no more. */
  leave() {
    this.end();
  }

  /** Ask for the past: an hour, and the last minutes more finely. */
  ask() {
    for (const history of [HOUR, 300]) {
      const request = { type: 1, nodes: [pattern(this.name)], history };
      this.link.ask("node-past", request, (answer) => this.#past(answer));
    }
  }

  /** Show the node as it is at `now`. */
  paint(now) {
    const node = this.cluster.nodes.get(this.name);
    const state = node?.state ?? "down";
    const loading = this.cluster.heard === null;
    mark(this.element, "data-loading", loading ? "" : null);
    show(this.body, node !== undefined);
    if (loading) {
      return;
    }
    mark(this.element, "data-state", state);
    changeIcon(this.icon, state);
    write(this.badge, node === undefined ? "Unknown" : STATES[state].word);
    show(this.why, state !== "up");
    if (node === undefined) {
      const lost = this.cluster.left.find(({ name }) => name === this.name);
      write(this.why, lost === undefined ? "The cluster has no node of this name just now." : `It left on purpose at ${moment(lost.since)}.`);
      return;
    }
    write(this.why, state === "up" ? "" : reason(node, now));
    this.#describe(node, now);
    const heard = this.cluster.heard;
    for (const chart of this.charts) {
      chart.paint(heard, choices.span);
    }
    this.#paintPanels();
  }

  #paintPanels() {
    const { detail } = this;
    mark(this.board, "data-stale", this.toldAt !== null && this.cluster.heard - this.toldAt > 4 ? "" : null);
    const shown = this.panels.filter(({ panel }) => detail !== null && (detail[panel.section] ?? null) !== null);
    for (const panel of shown) {
      panel.paint(detail[panel.panel.section]);
    }
    arrange(this.board, [...this.charts, ...shown].map(({ element }) => element));
    const lacking = this.panels.filter((panel) => !shown.includes(panel)).map(({ panel }) => panel.title.split(",")[0]);
    const words = detail === null ? this.#silence() : `Not on this machine: ${lacking.join(", ")}.`;
    write(this.lacking, lacking.length === 0 ? "" : words);
  }

  #silence() {
    const node = this.cluster.nodes.get(this.name);
    if (node.member?.version === 1) {
      return "This agent speaks version 1 of the protocol, which tells no more than CPU, memory and disk.";
    }
    return node.fresh ? "Waiting for its details…" : "It tells no details while it cannot be asked.";
  }

  #told(answer) {
    const node = answer.nodes[this.name];
    if (node === undefined) {
      return;
    }
    const now = Date.now() / 1000;
    if (node.history !== undefined) {
      this.#fill(node.history, now);
    }
    if (node.detail !== undefined) {
      this.detail = node.detail;
      this.toldAt = now;
      const disks = Object.entries(node.detail.diskio ?? {}).filter(([name]) => !STACKED.test(name));
      const sum = (field) => disks.reduce((total, [, disk]) => total + (disk[field] ?? 0), 0);
      this.series.read.put(now, sum("readBytes"));
      this.series.write.put(now, sum("writeBytes"));
    } else {
      // One that tells no details may still tell its share of what everybody does.
      const told = node.error === "";
      this.series.cpu.put(now, told ? node.cpuUsed : NaN);
      this.series.memory.put(now, told ? node.memoryUsedPercent : NaN);
    }
    this.repaint();
  }

  #past(answer) {
    const history = answer.nodes[this.name]?.history;
    if (history !== undefined) {
      this.#fill(history, Date.now() / 1000);
      this.repaint();
    }
  }

  #fill(history, now) {
    for (const [field, kind] of Object.entries(HISTORY)) {
      this.series[kind].fill(now, history.every, history[field] ?? []);
    }
  }

  #describe(node, now) {
    const load = this.detail?.load;
    const system = this.detail?.system?.error ? null : (this.detail?.system ?? node.system);
    const { member, stats, cores } = node;
    const up = node.state === "up" && node.since !== null ? ` · up for ${duration(now - node.since)}` : "";
    write(this.place, member === null ? "" : `${member.address}${up}`);
    const rows = {
      CPU: !node.fresh ? "" : `${percent(stats.cpuUsed)}${cores === null ? "" : ` of ${count(cores, "core")}`}`,
      Memory: stats === null ? "" : bytes(stats.memoryTotal),
      Disk: stats === null ? "" : bytes(stats.diskTotal),
      "Load 1, 5, 15 min": known(load?.load1) ? [load.load1, load.load5, load.load15].map(number).join(" · ") : "",
    };
    if (system) {
      Object.assign(rows, {
        System: system.os,
        Kernel: `${system.kernel}, ${system.architecture}`,
        "Running for": duration(now + this.cluster.offset - system.bootTime),
        Agent: `${system.agentVersion} on Python ${system.pythonVersion}`,
        Scope: system.scope === "container" ? "a container’s share of the machine" : "",
      });
    }
    const terms = Object.entries(rows).filter(([, text]) => text !== "");
    while (this.facts.children.length > terms.length) {
      this.facts.lastChild.remove();
    }
    terms.forEach(([term, text], i) => {
      if (i >= this.facts.children.length) {
        this.facts.append(el("div", {}, el("dt", {}), el("dd", {})));
      }
      write(this.facts.children[i].firstChild, term);
      write(this.facts.children[i].lastChild, text);
    });
  }

  #charts() {
    const { cursor, repaint, series } = this;
    const line = (name, kind) => ({ name, series: series[kind] });
    return [
      { title: "CPU", lines: [line("used", "cpu")], unit: percent, top: 100 },
      { title: "Memory", lines: [line("used", "memory")], unit: percent, top: 100 },
      { title: "Network", lines: [line("received", "recv"), line("sent", "sent")], unit: rate, top: binaryTop(1024) },
      { title: "Disk I/O", lines: [line("read", "read"), line("written", "write")], unit: rate, top: binaryTop(1024), note: "since you opened this" },
      { title: "Load", lines: [line("1 min", "load")], unit: number, top: roundTop(1) },
    ].map((chart) => new Chart({ ...chart, cursor, repaint }));
  }

  #spans() {
    const buttons = SPANS.map(([span, word]) => {
      const button = el("button", { type: "button", "aria-pressed": String(span === choices.span) }, word);
      button.addEventListener("click", () => {
        choose({ span });
        for (const other of buttons) {
          other.setAttribute("aria-pressed", String(other === button));
        }
        this.repaint();
      });
      return button;
    });
    return el("div", { class: "choice spans", role: "group", "aria-label": "Time shown" }, ...buttons);
  }
}

class Panel {
  constructor(panel) {
    this.panel = panel;
    this.drawing = new panel.Drawing();
    this.fault = el("p", { class: "fault" });
    this.element = el(
      "section",
      { class: `panel ${panel.size ?? ""}`, "data-section": panel.section },
      el("h3", {}, panel.title),
      this.fault,
      this.drawing.element,
    );
  }

  paint(section) {
    const broken = typeof section.error === "string";
    show(this.fault, broken);
    show(this.drawing.element, !broken);
    if (broken) {
      write(this.fault, `▲ Could not be read: ${section.error}`);
    } else {
      this.drawing.paint(section);
    }
  }
}
