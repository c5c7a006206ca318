// The view of one node: charts, and a panel for each section that it reports.

import { AlertList, MOST_OF_NODE } from "./alertlist.js";
import { reason } from "./card.js";
import { Chart, binaryTop, roundTop } from "./chart.js";
import { Crosshair } from "./crosshair.js";
import { arrange, changeIcon, el, icon, mark, show, write } from "./dom.js";
import { Facts } from "./facts.js";
import { options, setOptions } from "./options.js";
import { Panel } from "./panel.js";
import { PANELS } from "./panels.js";
import { processPattern } from "./processes.js";
import { pattern } from "./route.js";
import { Series } from "./series.js";
import { STATES } from "./state.js";
import { toggleGroup } from "./togglegroup.js";
import { duration, moment, number, percent, rate } from "./units.js";

const HOUR = 3600;
const SPANS = { 300: "5 min", 900: "15 min", [HOUR]: "1 hour" };
const SECTIONS = ["system", "load", ...PANELS.map(({ section }) => section)];
const KINDS = ["cpu", "memory", "recv", "sent", "load", "read", "write"];

/** Field of a history -> the series that it fills. */
const HISTORY_FIELDS = {
  cpuUsed: "cpu",
  memoryUsedPercent: "memory",
  recvBytes: "recv",
  sentBytes: "sent",
  load1: "load",
  readBytes: "read",
  writeBytes: "write",
};

/** A stacked device counts the I/O of the disks below it again. */
const STACKED = /^(dm-|md)\d/;

/** Age in seconds from which details that should come every second count as old. */
const OLD = 4;

/** Milliseconds without a key after which is asked: agents limit how many patterns they look for. */
const PAUSE = 300;

export class NodeView {
  /** `onsilence` is called with an alert that is to be silenced. */
  constructor({ cluster, alerts, name, connection, repaint, onsilence }) {
    Object.assign(this, { cluster, alerts, name, connection, repaint });
    this.detail = null;
    this.detailAt = null;
    this.series = Object.fromEntries(KINDS.map((kind) => [kind, new Series(HOUR)]));
    this.icon = icon("up");
    this.badge = el("span", { class: "badge" });
    this.title = el("h1", { tabindex: "-1" }, name);
    this.address = el("p", { class: "address" });
    this.reason = el("p", { class: "reason" });
    this.kept = null; // while the node is down: when the past in the charts ends, and who kept it
    this.keptNote = el("p", { class: "note kept" });
    this.firing = new AlertList({ most: MOST_OF_NODE, onsilence, named: false });
    const attributes = { class: "panel alerts", "aria-label": "Alerts" };
    this.firingPanel = el("section", attributes, el("h3", {}, "Alerts"), this.firing.element);
    this.facts = new Facts();
    this.charts = this.#charts(new Crosshair(repaint));
    this.panels = PANELS.map((panel) => new Panel(panel));
    this.grid = el("div", { class: "panels" });
    this.match = processPattern();
    this.end = null;
    this.grid.addEventListener("options", () => this.update());
    this.missing = el("p", { class: "note missing" });
    const spans = toggleGroup("Time shown", SPANS, String(options.span), (span) => {
      setOptions({ span: Number(span) });
      repaint();
    });
    this.body = el("div", {}, spans, this.keptNote, this.grid, this.missing);
    this.element = el(
      "article",
      { class: "node-view" },
      el("a", { class: "back", href: "#/" }, icon("back"), "All nodes"),
      el("header", { class: "name-row" }, this.icon, this.title, this.badge, this.address),
      this.reason,
      this.firingPanel,
      this.facts.element,
      this.body,
    );
  }

  /** Start the stream of the node's detail. It runs only while this view is open. */
  open() {
    this.#stream();
    this.requestHistory();
  }

  /** End the stream. */
  close() {
    clearTimeout(this.timer);
    this.end();
    this.end = null;
  }

  /** Show the options as they are now. */
  update() {
    this.repaint();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#find(processPattern()), PAUSE);
  }

  /** The first field that searches in a table; undefined for none. */
  get find() {
    return [...this.grid.querySelectorAll("input[type=search]")].find((one) => one.checkVisibility());
  }

  /** Request the history: one hour, and the last minutes at a finer resolution. */
  requestHistory() {
    for (const history of [HOUR, 300]) {
      const request = { type: 1, nodes: [pattern(this.name)], history };
      this.connection.request("node-history", request, (answer) => this.#receiveHistory(answer));
    }
  }

  /** Show the node as of `now`. */
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
    show(this.reason, state !== "up");
    const firing = this.alerts.of(this.name);
    show(this.firingPanel, firing.length > 0);
    this.firing.paint(firing, now + offset, offset);
    if (node === undefined) {
      write(this.reason, this.#unknownText());
      return;
    }
    write(this.reason, state === "up" ? "" : reason(node, now));
    write(this.address, addressOf(node, now));
    this.facts.paint(node, this.detail, now + offset);
    for (const chart of this.charts) {
      chart.paint(this.kept?.end ?? heard, options.span);
    }
    write(this.keptNote, this.kept === null ? "" : keptText(this.kept));
    show(this.keptNote, this.kept !== null);
    this.#paintPanels(node, now);
  }

  #stream() {
    const request = { type: 1, nodes: [pattern(this.name)], detail: SECTIONS, history: 5, every: 1 };
    if (this.match !== null) {
      request.match = this.match;
    }
    this.end = this.connection.stream("node", request, (answer) => this.#update(answer));
  }

  /** Show the processes that match, or the top ones for null. */
  #find(match) {
    if (this.end !== null && match !== this.match) {
      this.match = match;
      this.end();
      this.#stream();
    }
  }

  #paintPanels(node, now) {
    const { detail, panels } = this;
    const old = this.detailAt !== null && this.cluster.heard - this.detailAt > OLD;
    mark(this.grid, "data-stale", old ? "" : null);
    const shown = panels.filter(({ section }) => (detail?.[section] ?? null) !== null);
    for (const panel of shown) {
      panel.paint(detail[panel.section], now);
    }
    arrange(this.grid, [...this.charts, ...shown].map(({ element }) => element));
    const missing = panels.filter((panel) => !panel.optional && !shown.includes(panel));
    const names = missing.map(({ title }) => title.split(",")[0]).join(", ");
    write(this.missing, detail === null ? whyNoDetail(node) : `Not on this machine: ${names}.`);
    show(this.missing, missing.length > 0);
  }

  #unknownText() {
    const { left, offset } = this.cluster;
    const member = left.find(({ name }) => name === this.name);
    return member === undefined
      ? "The cluster has no node of this name just now."
      : `It left on purpose at ${moment(member.since - offset)}.`;
  }

  #update(answer) {
    const node = answer.nodes[this.name];
    if (node === undefined) {
      return;
    }
    const now = Date.now() / 1000;
    if (this.kept !== null && node.error === "") {
      this.kept = null; // it is back
      this.requestHistory();
    }
    if (node.history !== undefined) {
      this.#fill(node.history, now);
    }
    if (node.detail !== undefined) {
      this.detail = node.detail;
      this.detailAt = now;
      if (node.history?.readBytes === undefined) {
        this.#putDisks(node.detail.diskio ?? {}, now); // an agent of 2.0 does not remember them
      }
    } else {
      // A node without details may still report CPU and memory.
      const ok = node.error === "";
      if (this.kept === null || ok) {
        this.series.cpu.put(now, ok ? node.cpuUsed : NaN);
        this.series.memory.put(now, ok ? node.memoryUsedPercent : NaN);
      }
    }
    this.repaint();
  }

  #putDisks(diskio, now) {
    const disks = Object.entries(diskio);
    const physical = disks.filter(([name]) => !STACKED.test(name)).map(([, disk]) => disk);
    const sum = (field) => physical.reduce((total, disk) => total + (disk[field] ?? 0), 0);
    this.series.read.put(now, sum("readBytes"));
    this.series.write.put(now, sum("writeBytes"));
  }

  #receiveHistory(answer) {
    const history = answer.nodes[this.name]?.history;
    if (history !== undefined) {
      this.#fill(history, this.#endOf(history));
      this.repaint();
    }
  }

  /** When a history ends. Where others have kept it, only that is in the charts from now on. */
  #endOf(history) {
    const now = Date.now() / 1000;
    if (history.keptBy === undefined) {
      return now;
    }
    const end = now - this.cluster.agoOf(history, now);
    if (this.kept === null) {
      Object.values(this.series).forEach((series) => series.reset());
    }
    this.kept ??= { end, by: history.keptBy };
    return this.kept.end;
  }

  #fill(history, now) {
    for (const [field, kind] of Object.entries(HISTORY_FIELDS)) {
      if (history[field] !== undefined) {
        this.series[kind].fill(now, history.every, history[field]);
      }
    }
  }

  #charts(crosshair) {
    const line = (name, kind) => ({ name, series: this.series[kind] });
    const traffic = [line("received", "recv"), line("sent", "sent")];
    const disk = [line("read", "read"), line("written", "write")];
    return [
      { title: "CPU", lines: [line("used", "cpu")], unit: percent, top: 100 },
      { title: "Memory", lines: [line("used", "memory")], unit: percent, top: 100 },
      { title: "Network", lines: traffic, unit: rate, top: binaryTop(1024) },
      { title: "Disk I/O", lines: disk, unit: rate, top: binaryTop(1024) },
      { title: "Load", lines: [line("1 min", "load")], unit: number, top: roundTop(1) },
    ].map((chart) => new Chart({ ...chart, crosshair }));
  }
}

function addressOf({ member, state, since }, now) {
  const up = state === "up" && since !== null ? ` · up for ${duration(now - since)}` : "";
  return member === null ? "" : `${member.address}${up}`;
}

function keptText({ end, by }) {
  return `The charts end at ${moment(end)}, when ${by} heard this node last. It has kept them since.`;
}

function whyNoDetail(node) {
  if (node.member?.version === 1) {
    return "This agent speaks version 1 of the protocol, which reports only CPU, memory and disk.";
  }
  const unreachable = "It reports no details while it cannot be reached.";
  return node.fresh ? "Waiting for its details…" : unreachable;
}
