// One node in the overview: the same element as a card or as a row, which is a matter of style.

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
    this.why = el("p", { class: "why" });
    this.element = el(
      "li",
      { class: "node", "data-node": name },
      el("div", { class: "who" }, this.icon, this.link, this.badge, this.facts),
      this.why,
      this.cpu.element,
      this.memory.element,
      this.disk.element,
      el(
        "div",
        { class: "net" },
        el("span", { class: "label" }, "Network"),
        el("span", { class: "way", title: "received" }, "↓", unseen(" in ")),
        this.recv,
        el("span", { class: "way", title: "sent" }, "↑", unseen(" out ")),
        this.sent,
      ),
      this.spark.element,
    );
  }

  /** Show the node as it is at `now`; lines end at `heard`, when it was heard of last. */
  paint(node, now, heard) {
    const { stats, state } = node;
    mark(this.element, "data-state", state);
    mark(this.element, "data-empty", stats === null ? "" : null);
    changeIcon(this.icon, state);
    write(this.badge, STATES[state].word);
    write(this.facts, factsOf(node));
    this.cpu.paint(stats?.cpuUsed ?? null, cores(node));
    this.memory.paint(share(stats, "memory"), size(stats, "memory"));
    this.disk.paint(share(stats, "disk"), size(stats, "disk"));
    write(this.recv, rate(node.traffic.recv));
    write(this.sent, rate(node.traffic.sent));
    this.spark.paint(node.cpu, heard);
    show(this.why, state !== "up");
    if (state !== "up") {
      write(this.why, reason(node, now));
    }
  }
}

/** Why a node is not well, since when, and of when its numbers are. */
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

function factsOf({ system }) {
  // "Debian GNU/Linux 12 (bookworm)" in a few letters; the node's own view has it in full.
  return system === null ? "" : system.os.replace(" GNU/Linux", "").replace(/ \(.*\)$/, "");
}

function cores({ cores: known }) {
  return known === null ? "" : `of ${count(known, "core")}`;
}

function share(stats, kind) {
  return stats !== null && stats[`${kind}Total`] > 0 ? stats[`${kind}UsedPercent`] : null;
}

function size(stats, kind) {
  return stats === null ? "" : partOf(stats[`${kind}Used`], stats[`${kind}Total`]);
}
