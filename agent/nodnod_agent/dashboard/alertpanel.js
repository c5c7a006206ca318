// The panel that the bell opens: which alerts fire, which are over, and the silences.

import { countsText } from "./alerts.js";
import { AlertGroup, AlertList, MOST_OF_NODE } from "./alertlist.js";
import { arrange, el, icon, show, unseen, write } from "./dom.js";
import { Notifier } from "./notifier.js";
import { options, setOptions } from "./options.js";
import { Silences } from "./silences.js";

/** From this many alerts on, they are grouped by node. */
const GROUPED_FROM = 12;
const MOST_NODES = 100;
const MOST_OVER = 20;

export class AlertPanel {
  /** `element` is the empty panel; `bell` is the button to which the focus returns. */
  constructor(element, bell, { alerts, cluster, connection, repaint }) {
    Object.assign(this, { element, bell, alerts, cluster, repaint });
    this.opener = bell;
    this.onsilence = ({ node, rule }) => this.silence(node, rule);
    const { onsilence } = this;
    this.summary = el("span", { class: "note" });
    this.firing = new AlertList({ most: MOST_OF_NODE, onsilence });
    this.groups = new Map(); // by the name of the node
    this.byNode = el("div", { class: "alert-groups" });
    this.more = el("p", { class: "note" });
    this.over = new AlertList({ most: MOST_OVER, onsilence });
    this.overSection = el("section", {}, el("h3", {}, "Recently over"), this.over.element);
    this.silences = new Silences(connection, repaint);
    this.notifier = new Notifier();
    const close = el("button", { type: "button", class: "quiet", title: "Close" }, icon("close"));
    close.append(unseen("Close"));
    close.addEventListener("click", () => this.close());
    element.append(
      el("header", {}, el("h2", { id: "alerts-title" }, "Alerts"), this.summary, close),
      this.silences.form.element,
      this.firing.element,
      this.byNode,
      this.more,
      this.overSection,
      this.silences.element,
      this.notifier.element,
    );
    element.addEventListener("click", ({ target }) => {
      if (target.closest("a") !== null) {
        this.close(); // it would lie over the node that the link opens
      }
    });
  }

  get isOpen() {
    return !this.element.hidden;
  }

  /** Open, and take the keyboard focus. */
  open() {
    if (!this.isOpen) {
      this.opener = document.activeElement;
      show(this.element, true);
      setOptions({ alerts: true });
      this.silences.request();
      this.repaint();
    }
    this.element.focus({ preventScroll: true });
  }

  /** Close, and give the keyboard focus back. */
  close() {
    this.silences.form.close();
    const held = this.element.contains(document.activeElement);
    show(this.element, false);
    setOptions({ alerts: false });
    if (held) {
      const known = this.opener?.isConnected && this.opener !== document.body;
      (known ? this.opener : this.bell).focus({ preventScroll: true });
    }
    this.repaint();
  }

  /** Be open or closed as the options are. */
  follow() {
    if (options.alerts && !this.isOpen) {
      this.open();
    } else if (!options.alerts && this.isOpen) {
      this.close();
    }
  }

  toggle() {
    if (this.isOpen) {
      this.close();
    } else {
      this.open();
    }
  }

  /** Close what was opened last: the form, or the panel. */
  back() {
    if (this.silences.form.isOpen) {
      this.silences.form.close();
    } else {
      this.close();
    }
  }

  /** Open the form that silences a rule at a node. */
  silence(node, rule) {
    const from = document.activeElement;
    this.open();
    this.silences.form.open({ node, rule }, this.element.contains(from) ? from : this.element);
  }

  /** Take note that the alerts have changed. */
  update() {
    if (this.alerts.known) {
      this.notifier.update(this.alerts);
    }
    if (this.isOpen && this.alerts.known) {
      this.silences.request();
    } else if (this.isOpen) {
      this.close(); // this agent knows of no alerts
    }
  }

  /** Show the alerts as of `now`, by this browser's clock. */
  paint(now) {
    if (!this.isOpen) {
      return;
    }
    const { offset } = this.cluster;
    const { firing, over, byNode, counts } = this.alerts;
    const grouped = firing.length >= GROUPED_FROM && byNode.size > 1;
    const held = this.element.contains(document.activeElement);
    const none = this.alerts.known ? "None is firing." : "Waiting for them…";
    write(this.summary, countsText(counts) || none);
    show(this.firing.element, !grouped && firing.length > 0);
    this.firing.paint(grouped ? [] : firing, now + offset, offset);
    show(this.byNode, grouped);
    this.#paintGroups(grouped ? byNode : new Map(), now + offset, offset);
    show(this.overSection, over.length > 0);
    this.over.paint(over, now + offset, offset);
    this.silences.paint(now + offset, offset);
    this.notifier.paint();
    if (held && !this.element.contains(document.activeElement)) {
      this.element.focus({ preventScroll: true }); // what had the focus is gone
    }
  }

  #paintGroups(byNode, now, offset) {
    const groups = new Map();
    for (const [name, alerts] of [...byNode].slice(0, MOST_NODES)) {
      const { onsilence, repaint } = this;
      const group = this.groups.get(name) ?? new AlertGroup(name, { onsilence, repaint });
      group.paint(alerts, now, offset);
      groups.set(name, group);
    }
    this.groups = groups;
    arrange(this.byNode, [...groups.values()].map(({ element }) => element));
    const more = byNode.size - groups.size;
    show(this.more, more > 0);
    write(this.more, `and ${more} more nodes: their own views show their alerts`);
  }
}
