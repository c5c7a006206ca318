// The lists of nodes: one, or one for each value of a tag, with a heading and sums.

import { arrange, el, icon, mark, show, write } from "./dom.js";
import { groupsBy } from "./order.js";
import { STATES } from "./state.js";
import { totalsOf } from "./sums.js";
import { count, partOf, percent, rate } from "./units.js";

export class Groups {
  /** `ontoggle` is called with the name of a group that is to be opened or closed. */
  constructor(ontoggle) {
    this.ontoggle = ontoggle;
    this.groups = new Map(); // name -> group
    this.whole = new Group("", null);
    this.element = el("div", { class: "groups" });
  }

  /** Show these nodes in this order; `elementOf` gives the element of each. */
  arrange(nodes, { group: key, closed }, elementOf) {
    if (key === "") {
      this.shown = [this.whole];
      this.whole.arrange(nodes, elementOf, false);
    } else {
      this.shown = groupsBy(key, nodes).map(({ value, nodes: some }) => {
        const name = value === null ? key : `${key}=${value}`;
        if (!this.groups.has(name)) {
          this.groups.set(name, new Group(name, this.ontoggle));
        }
        const group = this.groups.get(name);
        write(group.title, value === null ? `without ${key}` : name);
        group.arrange(some, elementOf, closed.includes(name));
        return group;
      });
    }
    arrange(this.element, this.shown.map(({ element }) => element));
  }

  /** Show the sums as they are now. */
  paint(density) {
    mark(this.element, "data-density", density);
    for (const group of this.shown ?? []) {
      group.paint(density);
    }
  }
}

class Group {
  constructor(name, ontoggle) {
    this.list = el("ul", { class: "nodes" });
    this.title = el("span", { class: "group-title" });
    this.nodes = [];
    this.heading = ontoggle === null ? null : this.#heading(() => ontoggle(name));
    this.element = el("section", { class: "group" }, ...(this.heading ? [this.heading] : []), this.list);
    mark(this.list, "aria-label", name === "" ? "Nodes" : `Nodes, ${name}`);
  }

  arrange(nodes, elementOf, closed) {
    this.nodes = nodes;
    show(this.list, !closed);
    arrange(this.list, closed ? [] : nodes.map(elementOf));
    if (this.heading !== null) {
      mark(this.button, "aria-expanded", String(!closed));
    }
  }

  paint(density) {
    mark(this.list, "data-density", density);
    if (this.heading === null) {
      return;
    }
    const totals = totalsOf(this.nodes);
    write(this.count, count(totals.nodes, "node"));
    for (const [state, { element, text }] of Object.entries(this.states)) {
      show(element, totals.states[state] > 0);
      write(text, `${totals.states[state]} ${STATES[state].word.toLowerCase()}`);
    }
    const { memoryUsed, memoryTotal, recv, sent } = totals;
    const share = memoryTotal > 0 ? (100 * memoryUsed) / memoryTotal : null;
    write(this.sums.cpu, `CPU ${percent(totals.cpu)}`);
    write(this.sums.memory, `Memory ${percent(share)}`);
    mark(this.sums.memory, "title", partOf(memoryUsed, memoryTotal));
    write(this.sums.network, `Network ↓ ${rate(recv)} ↑ ${rate(sent)}`);
  }

  #heading(ontoggle) {
    this.button = el("button", { type: "button", class: "group-toggle" }, this.title);
    this.button.addEventListener("click", ontoggle);
    this.count = el("span", { class: "group-count" });
    const troubles = Object.keys(STATES).filter((state) => state !== "up");
    this.states = Object.fromEntries(
      troubles.map((state) => {
        const text = el("span", {});
        const element = el("span", { class: "group-state", "data-state": state }, icon(state), text);
        return [state, { element, text }];
      }),
    );
    const kinds = ["cpu", "memory", "network"];
    this.sums = Object.fromEntries(kinds.map((kind) => [kind, el("span", { class: `sum ${kind}` })]));
    const states = Object.values(this.states).map(({ element }) => element);
    const parts = [this.count, ...states, el("span", { class: "sums" }, ...Object.values(this.sums))];
    return el("header", { class: "group-head" }, el("h2", {}, this.button), ...parts);
  }
}
