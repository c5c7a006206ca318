// The view of one node: charts, and a panel for each section that it reports.

import { AlertList, MOST_OF_NODE } from "./alertlist.js";
import { binaryTop, roundTop } from "./axis.js";
import { Board } from "./board.js";
import { reason } from "./card.js";
import { arrange, changeIcon, el, icon, mark, show, write } from "./dom.js";
import { Facts } from "./facts.js";
import { Panel } from "./panel.js";
import { PANELS } from "./panels.js";
import { processPattern } from "./processes.js";
import { linkToCompare, pattern } from "./route.js";
import { STATES } from "./state.js";
import { duration, moment, number, percent, rate } from "./units.js";

const SECTIONS = ["system", "load", ...PANELS.map(({ section }) => section)];

/** Age in seconds from which details that should come every second count as old. */
const OLD = 4;

/** Milliseconds without a key after which is asked: agents limit how many patterns they look for. */
const PAUSE = 300;

export class NodeView {
  /** `onsilence` is called with an alert that is to be silenced. */
  constructor({ cluster, alerts, name, connection, repaint, onsilence }) {
    Object.assign(this, { cluster, alerts, name, connection, repaint });
    this.page = "node";
    this.detail = null;
    this.detailAt = null;
    this.icon = icon("up");
    this.badge = el("span", { class: "badge" });
    this.title = el("h1", { tabindex: "-1" }, name);
    this.address = el("p", { class: "address" });
    this.reason = el("p", { class: "reason" });
    this.firing = new AlertList({ most: MOST_OF_NODE, onsilence, named: false });
    const attributes = { class: "panel alerts", "aria-label": "Alerts" };
    this.firingPanel = el("section", attributes, el("h3", {}, "Alerts"), this.firing.element);
    this.facts = new Facts();
    const compare = el("a", { class: "button", href: linkToCompare([name]) }, "Compare…");
    const shared = { cluster, alerts, connection, repaint };
    this.board = new Board({ ...shared, names: [name], plan: chartsOf, more: [compare] });
    this.panels = PANELS.map((panel) => new Panel(panel));
    this.grid = el("div", { class: "panels" });
    this.match = processPattern();
    this.end = null;
    this.grid.addEventListener("options", () => this.update());
    this.missing = el("p", { class: "note missing" });
    const { bar, note } = this.board;
    this.body = el("div", {}, bar.element, bar.details, note, this.grid, this.missing);
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
    this.board.open();
  }

  /** End the stream. */
  close() {
    clearTimeout(this.timer);
    this.end();
    this.end = null;
    this.board.close();
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

  /** Request the past, after the connection was lost. */
  requestHistory() {
    this.board.requestHistory();
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
    this.board.paint(now);
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
    arrange(this.grid, [...this.board.charts, ...shown].map(({ element }) => element));
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
    if (node.detail !== undefined) {
      this.detail = node.detail;
      this.detailAt = Date.now() / 1000;
    }
    this.board.update(answer);
  }
}

/** The charts of a node: see Chart. */
function chartsOf([name], records) {
  const of = { look: "first", node: name, record: records.get(name) };
  const line = (label, field, more) => ({ name: label, field, ...of, ...more });
  const other = { look: "second" };
  const part = (label, field) => line(label, field, { look: label, part: true });
  const cpu = [
    line("used", "cpuUsed"),
    part("user", "cpuUser"),
    part("system", "cpuSystem"),
    part("steal", "cpuSteal"),
    part("iowait", "cpuIowait"),
  ];
  const traffic = [line("received", "recvBytes"), line("sent", "sentBytes", other)];
  const disk = [line("read", "readBytes"), line("written", "writeBytes", other)];
  return [
    { title: "CPU", lines: cpu, unit: percent, top: 100 },
    { title: "Memory", lines: [line("used", "memoryUsedPercent")], unit: percent, top: 100 },
    { title: "Network", lines: traffic, unit: rate, top: binaryTop(1024) },
    { title: "Disk I/O", lines: disk, unit: rate, top: binaryTop(1024) },
    { title: "Load", lines: [line("1 min", "load1")], unit: number, top: roundTop(1) },
  ];
}

function addressOf({ member, state, since }, now) {
  const up = state === "up" && since !== null && `up for ${duration(now - since)}`;
  return member === null ? "" : [member.address, up].filter(Boolean).join(" · ");
}

function whyNoDetail(node) {
  if (node.member?.version === 1) {
    return "This agent speaks version 1 of the protocol, which reports only CPU, memory and disk.";
  }
  const unreachable = "It reports no details while it cannot be reached.";
  return node.fresh ? "Waiting for its details…" : unreachable;
}
