// One node in the overview. Card and row are the same element; the style sheet tells them apart.

import { AlertLine } from "./alertline.js";
import { changeIcon, el, icon, mark, show, unseen, write } from "./dom.js";
import { Meter } from "./meter.js";
import { linkTo } from "./route.js";
import { Sparkline } from "./sparkline.js";
import { STATES, withoutState } from "./state.js";
import { count, duration, moment, partOf, rate } from "./units.js";

export class Card {
  constructor(name) {
    this.icon = icon("up");
    this.link = el("a", { class: "title", href: linkTo(name), title: name }, name);
    this.badge = el("span", { class: "badge" });
    this.facts = el("span", { class: "facts" });
    this.cpu = new Meter("CPU", "cpu");
    this.memory = new Meter("Memory", "memory");
    this.disk = new Meter("Disk", "disk");
    this.recv = el("span", { class: "value" });
    this.sent = el("span", { class: "value" });
    this.spark = new Sparkline(100);
    this.reason = el("p", { class: "reason" });
    this.alerts = new AlertLine();
    this.element = el(
      "li",
      { class: "node", "data-node": name },
      el("div", { class: "name-row" }, this.icon, this.link, this.badge, this.facts),
      this.reason,
      this.alerts.element,
      this.cpu.element,
      this.memory.element,
      this.disk.element,
      el(
        "div",
        { class: "net" },
        el("span", { class: "label" }, "Network"),
        el("span", { class: "direction", title: "received" }, "↓", unseen(" in ")),
        this.recv,
        el("span", { class: "direction", title: "sent" }, "↑", unseen(" out ")),
        this.sent,
      ),
      this.spark.element,
    );
  }

  /** Show the node and its alerts as of `now`. The line ends at `heard`, when the newest answer came. */
  paint(node, now, heard, alerts) {
    const { stats, state } = node;
    mark(this.element, "data-state", state);
    mark(this.element, "data-empty", stats === null ? "" : null);
    changeIcon(this.icon, state);
    write(this.badge, STATES[state].word);
    write(this.facts, shortSystem(node));
    mark(this.link, "title", [node.name, ...node.tags].join("\n"));
    this.cpu.paint(stats?.cpuUsed ?? null, cores(node));
    this.memory.paint(percentOf(stats, "memory"), sizes(stats, "memory"));
    this.disk.paint(percentOf(stats, "disk"), sizes(stats, "disk"));
    write(this.recv, rate(node.traffic.recv));
    write(this.sent, rate(node.traffic.sent));
    this.spark.paint(node.cpu, heard);
    show(this.reason, state !== "up");
    if (state !== "up") {
      write(this.reason, reason(node, now));
    }
    this.alerts.paint(alerts);
  }
}

/** The reason for a node's state, when the state began, and the time of its numbers. */
export function reason(node, now) {
  const parts = [withoutState(node.error)];
  if (node.since !== null) {
    parts.push(`since ${moment(node.since)} (${duration(now - node.since)})`);
  }
  if (!node.fresh && node.statsAt !== null) {
    parts.push(`numbers of ${moment(node.statsAt)}`);
  }
  return parts.join(" · ");
}

function shortSystem({ system }) {
  // Shortened, as in "Debian 12"; the node's own view shows the full name.
  return system === null ? "" : system.os.replace(" GNU/Linux", "").replace(/ \(.*\)$/, "");
}

function cores({ cores: number }) {
  return number === null ? "" : `of ${count(number, "core")}`;
}

function percentOf(stats, kind) {
  return stats !== null && stats[`${kind}Total`] > 0 ? stats[`${kind}UsedPercent`] : null;
}

function sizes(stats, kind) {
  return stats === null ? "" : partOf(stats[`${kind}Used`], stats[`${kind}Total`]);
}
