// A list of alerts, and a group of those of one node that opens on demand.

import { SEVERITIES, countsOf, countsText } from "./alerts.js";
import { sentence } from "./alertline.js";
import { arrange, el, mark, show, unseen, write } from "./dom.js";
import { linkTo } from "./route.js";
import { count, duration, moment, number } from "./units.js";

/** As many as an agent tells of one node. */
export const MOST_OF_NODE = 64;
const MOST_TOLD = 5;

export class AlertList {
  /**
   * At most `most` alerts are listed. `onsilence` is called with an alert whose button is pressed.
   * `named` is whether to link to the nodes.
   */
  constructor({ most, onsilence, named = true }) {
    Object.assign(this, { most, onsilence, named });
    this.items = new Map(); // by the key of the alert, so that a button stays with its alert
    this.list = el("ul", {});
    this.more = el("p", { class: "note" });
    this.element = el("div", { class: "alert-list" }, this.list, this.more);
  }

  /** Show these, as of `now` by the cluster's clock; `offset` is how far that is ahead, in s. */
  paint(alerts, now, offset) {
    const shown = alerts.slice(0, this.most);
    const items = new Map();
    for (const alert of shown) {
      const item = this.items.get(alert.key) ?? new AlertItem(this.onsilence, this.named);
      item.paint(alert, now, offset);
      items.set(alert.key, item);
    }
    this.items = items;
    arrange(this.list, [...items.values()].map(({ element }) => element));
    show(this.more, alerts.length > shown.length);
    write(this.more, `and ${alerts.length - shown.length} more`);
  }
}

export class AlertGroup {
  /** The alerts of one node: their number, and a list of them while it is open. */
  constructor(name, { onsilence, repaint }) {
    this.count = el("span", { class: "counts" });
    this.what = el("span", { class: "what" });
    this.list = new AlertList({ most: MOST_OF_NODE, onsilence });
    this.element = el(
      "details",
      { class: "alert-group" },
      el("summary", {}, el("span", { class: "group-name" }, name), this.count, this.what),
      this.list.element,
    );
    this.element.addEventListener("toggle", repaint);
  }

  paint(alerts, now, offset) {
    const counts = countsOf(alerts);
    mark(this.element, "data-severity", counts.worst ?? "silenced");
    const sign = SEVERITIES[counts.worst]?.sign;
    write(this.count, [sign, countsText(counts)].filter(Boolean).join(" "));
    const rules = [...new Set(alerts.slice(0, MOST_OF_NODE).map(({ rule }) => rule))];
    write(this.what, alerts.length === 1 ? sentence(alerts[0]) : rules.join(", "));
    if (this.element.open) {
      this.list.paint(alerts, now, offset);
    }
  }
}

class AlertItem {
  constructor(onsilence, named) {
    this.sign = el("span", { class: "sign", "aria-hidden": "true" });
    this.severity = unseen("");
    this.name = el("strong", {});
    this.link = el("a", { class: "of-node", hidden: !named });
    this.silence = el("button", { type: "button", class: "small" });
    this.silence.addEventListener("click", () => onsilence(this.alert));
    this.text = el("p", { class: "alert-text" });
    this.facts = el("p", { class: "note" });
    this.element = el(
      "li",
      { class: "alert" },
      el("p", { class: "alert-head" }, this.sign, this.severity, this.name, this.link, this.silence),
      this.text,
      this.facts,
    );
  }

  paint(alert, now, offset) {
    const { severity, rule, object, node, state, silenced } = alert;
    const firing = state === "firing";
    if (this.alert?.key !== alert.key) {
      write(this.name, [rule, object].filter(Boolean).join(" "));
      write(this.link, node);
      mark(this.link, "href", linkTo(node));
      this.silence.replaceChildren("Silence", unseen(` ${rule} of ${node}`));
    }
    this.alert = alert;
    mark(this.element, "data-severity", firing ? severity : "over");
    mark(this.element, "data-silenced", silenced && firing ? "" : null);
    write(this.sign, firing ? SEVERITIES[severity].sign : "✓");
    write(this.severity, firing ? `${severity}: ` : "over: ");
    show(this.silence, firing && !silenced);
    write(this.text, sentence(alert));
    write(this.facts, factsOf(alert, now, offset));
  }
}

function factsOf({ state, since, value, threshold, told, silenced }, now, offset) {
  const firing = state === "firing";
  const ago = duration(now - since);
  const at = moment(since - offset);
  const parts = [firing ? `since ${at} (${ago})` : `over since ${at} (${ago} ago)`];
  if (value !== null) {
    parts.push(`value ${number(value)}`);
  }
  if (threshold !== null) {
    parts.push(`threshold ${number(threshold)}`);
  }
  if (firing && silenced) {
    parts.push("silenced");
  }
  if (told.length > 0) {
    parts.push(`told ${toldText(told)}`);
  } else if (firing && !silenced) {
    parts.push("nobody was told");
  }
  return parts.join(" · ");
}

function toldText(told) {
  const more = told.length - MOST_TOLD;
  const shown = told.slice(0, MOST_TOLD).join(", ");
  return more > 0 ? `${shown} and ${count(more, "channel")} more` : shown;
}
