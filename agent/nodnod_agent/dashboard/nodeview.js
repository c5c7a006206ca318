// The view of one node: charts, and a panel for each section that it tells.

import { reason } from "./card.js";
import { Chart, binaryTop, roundTop } from "./chart.js";
import { choice } from "./choice.js";
import { choices, choose } from "./choices.js";
import { Cursor } from "./cursor.js";
import { arrange, changeIcon, el, icon, mark, show, write } from "./dom.js";
import { Facts } from "./facts.js";
import { Panel } from "./panel.js";
import { PANELS } from "./panels.js";
import { pattern } from "./route.js";
import { Series } from "./series.js";
import { STATES } from "./state.js";
import { duration, moment, number, percent, rate } from "./units.js";

const HOUR = 3600;
const SPANS = { 300: "5 min", 900: "15 min", [HOUR]: "1 hour" };
const SECTIONS = ["system", "load", ...PANELS.map(({ section }) => section)];
const KINDS = ["cpu", "memory", "recv", "sent", "load", "read", "write"];

/** Series of a history -> our name of it. */
const HISTORY = {
  cpuUsed: "cpu",
  memoryUsedPercent: "memory",
  recvBytes: "recv",
  sentBytes: "sent",
  load1: "load",
};

/** A stacked device repeats the I/O of the disks below it. */
const STACKED = /^(dm-|md)\d/;

/** Seconds after which details that should come every second are called old. */
const OLD = 4;

export class NodeView {
  constructor(cluster, name, link, repaint) {
    Object.assign(this, { cluster, name, link, repaint });
    this.detail = null;
    this.toldAt = null;
    this.series = Object.fromEntries(KINDS.map((kind) => [kind, new Series(HOUR)]));
    this.icon = icon("up");
    this.badge = el("span", { class: "badge" });
    this.title = el("h1", { tabindex: "-1" }, name);
    this.place = el("p", { class: "place" });
    this.why = el("p", { class: "why" });
    this.facts = new Facts();
    this.charts = this.#charts(new Cursor(repaint));
    this.panels = PANELS.map((panel) => new Panel(panel));
    this.board = el("div", { class: "panels" });
    this.lacking = el("p", { class: "note lacking" });
    const spans = choice("Time shown", SPANS, String(choices.span), (span) => {
      choose({ span: Number(span) });
      repaint();
    });
    this.body = el("div", {}, spans, this.board, this.lacking);
    this.element = el(
      "article",
      { class: "one" },
      el("a", { class: "back", href: "#/" }, icon("back"), "All nodes"),
      el("header", { class: "who" }, this.icon, this.title, this.badge, this.place),
      this.why,
      this.facts.element,
      this.body,
    );
  }

  /** Begin to ask for the node's detail: nobody pays for what nobody looks at. */
  enter() {
    const question = { type: 1, nodes: [pattern(this.name)], detail: SECTIONS, history: 5 };
    const request = { ...question, every: 1 };
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
    const { heard, nodes, offset } = this.cluster;
    const node = nodes.get(this.name);
    mark(this.element, "data-loading", heard === null ? "" : null);
    show(this.body, node !== undefined);
    if (heard === null) {
      return;
    }
    const state = node?.state ?? "down";
    mark(this.element, "data-state", state);
    changeIcon(this.icon, state);
    write(this.badge, node === undefined ? "Unknown" : STATES[state].word);
    show(this.why, state !== "up");
    if (node === undefined) {
      write(this.why, this.#whyUnknown());
      return;
    }
    write(this.why, state === "up" ? "" : reason(node, now));
    write(this.place, placeOf(node, now));
    this.facts.paint(node, this.detail, now + offset);
    for (const chart of this.charts) {
      chart.paint(heard, choices.span);
    }
    this.#paintPanels(node);
  }

  #paintPanels(node) {
    const { detail, panels } = this;
    const old = this.toldAt !== null && this.cluster.heard - this.toldAt > OLD;
    mark(this.board, "data-stale", old ? "" : null);
    const shown = panels.filter(({ section }) => (detail?.[section] ?? null) !== null);
    for (const panel of shown) {
      panel.paint(detail[panel.section]);
    }
    arrange(this.board, [...this.charts, ...shown].map(({ element }) => element));
    const lacking = panels.filter((panel) => !shown.includes(panel));
    const names = lacking.map(({ title }) => title.split(",")[0]).join(", ");
    write(this.lacking, detail === null ? whyNothing(node) : `Not on this machine: ${names}.`);
    show(this.lacking, lacking.length > 0);
  }

  #whyUnknown() {
    const { left, offset } = this.cluster;
    const gone = left.find(({ name }) => name === this.name);
    return gone === undefined
      ? "The cluster has no node of this name just now."
      : `It left on purpose at ${moment(gone.since - offset)}.`;
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
      const disks = Object.entries(node.detail.diskio ?? {});
      const real = disks.filter(([name]) => !STACKED.test(name)).map(([, disk]) => disk);
      const sum = (field) => real.reduce((total, disk) => total + (disk[field] ?? 0), 0);
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

  #charts(cursor) {
    const line = (name, kind) => ({ name, series: this.series[kind] });
    const traffic = [line("received", "recv"), line("sent", "sent")];
    const disk = [line("read", "read"), line("written", "write")];
    const note = "since you opened this";
    return [
      { title: "CPU", lines: [line("used", "cpu")], unit: percent, top: 100 },
      { title: "Memory", lines: [line("used", "memory")], unit: percent, top: 100 },
      { title: "Network", lines: traffic, unit: rate, top: binaryTop(1024) },
      { title: "Disk I/O", lines: disk, unit: rate, top: binaryTop(1024), note },
      { title: "Load", lines: [line("1 min", "load")], unit: number, top: roundTop(1) },
    ].map((chart) => new Chart({ ...chart, cursor }));
  }
}

function placeOf({ member, state, since }, now) {
  const up = state === "up" && since !== null ? ` · up for ${duration(now - since)}` : "";
  return member === null ? "" : `${member.address}${up}`;
}

function whyNothing(node) {
  if (node.member?.version === 1) {
    return "This agent speaks version 1 of the protocol, which tells CPU, memory and disk only.";
  }
  return node.fresh ? "Waiting for its details…" : "It tells no details while it cannot be asked.";
}
