// The line in a node's card that tells of its alerts: the worst two, and how many more.

import { SEVERITIES } from "./alerts.js";
import { arrange, el, mark, show, unseen, write } from "./dom.js";

const MOST = 2;

export class AlertLine {
  constructor() {
    this.items = [];
    this.more = el("span", { class: "more" });
    this.element = el("p", { class: "alert-line", hidden: true });
    this.painted = null;
  }

  /** Show those of these alerts that are not silenced. */
  paint(alerts) {
    if (alerts === this.painted) {
      return;
    }
    this.painted = alerts;
    const loud = alerts.filter(({ silenced }) => !silenced);
    const shown = loud.slice(0, MOST);
    while (this.items.length < shown.length) {
      this.items.push(new Item());
    }
    shown.forEach((alert, i) => this.items[i].paint(alert));
    const items = this.items.slice(0, shown.length).map(({ element }) => element);
    write(this.more, `and ${loud.length - shown.length} more`);
    arrange(this.element, loud.length > shown.length ? [...items, this.more] : items);
    show(this.element, shown.length > 0);
  }
}

class Item {
  constructor() {
    this.sign = el("span", { class: "sign", "aria-hidden": "true" });
    this.severity = unseen("");
    this.text = el("span", {});
    this.element = el("span", { class: "alert-item" }, this.sign, this.severity, this.text);
  }

  paint(alert) {
    mark(this.element, "data-severity", alert.severity);
    write(this.sign, SEVERITIES[alert.severity].sign);
    write(this.severity, `${alert.severity}: `);
    write(this.text, sentence(alert));
  }
}

/** What an alert says; its rule and object where its text is empty. */
export function sentence({ text, rule, object }) {
  return text || [rule, object].filter(Boolean).join(" ");
}
