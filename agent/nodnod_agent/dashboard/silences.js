// The silences: those that last, and the form for a new one.

import { arrange, el, show, unseen, write } from "./dom.js";
import { SilenceForm } from "./silenceform.js";
import { duration, moment } from "./units.js";

export class Silences {
  constructor(connection, repaint) {
    Object.assign(this, { connection, repaint });
    this.all = [];
    this.rows = new Map(); // by id
    this.form = new SilenceForm((silence, onrefusal) => this.#change({ silence }, onrefusal));
    this.list = el("ul", {});
    this.none = el("p", { class: "note" }, "None. Silenced alerts are shown, but nobody is told.");
    this.fault = el("p", { class: "fault", role: "alert" });
    const add = el("button", { type: "button", class: "small" }, "New silence");
    add.addEventListener("click", () => this.form.open({ node: "*", rule: "*" }, add));
    const head = el("div", { class: "section-head" }, el("h3", {}, "Silences"), add);
    this.element = el("section", { class: "silences" }, head, this.list, this.none, this.fault);
  }

  /** Ask for the list. */
  request() {
    this.connection.request("silences", { type: 6 }, (answer) => this.#take(answer));
  }

  /** Show the silences as of `now` by the cluster's clock. */
  paint(now, offset) {
    const rows = new Map();
    for (const silence of this.all) {
      const row = this.rows.get(silence.id) ?? new Row(() => this.#end(silence.id));
      row.paint(silence, now, offset);
      rows.set(silence.id, row);
    }
    this.rows = rows;
    arrange(this.list, [...rows.values()].map(({ element }) => element));
    show(this.none, rows.size === 0);
  }

  #end(id) {
    write(this.fault, "");
    this.#change({ end: id }, (text) => write(this.fault, text));
  }

  #change(fields, onrefusal) {
    const taken = (answer) => {
      this.#take(answer);
      if (fields.silence !== undefined) {
        this.form.close();
      }
    };
    const refused = { onrefusal: (answer) => onrefusal(refusalText(answer)) };
    this.connection.request("silence", { type: 6, ...fields }, taken, refused);
  }

  #take({ silences }) {
    this.all = silences;
    this.repaint();
  }
}

class Row {
  constructor(onend) {
    this.what = el("span", { class: "what" });
    this.facts = el("span", { class: "note" });
    this.end = el("button", { type: "button", class: "small" });
    this.end.addEventListener("click", onend);
    this.element = el("li", {}, this.what, this.end, this.facts);
  }

  paint({ node, rule, until, by, reason }, now, offset) {
    if (!this.end.hasChildNodes()) {
      this.end.append("End", unseen(` the silence of ${rule} at ${node}`));
    }
    write(this.what, `${nameOf(rule, "every rule")} at ${nameOf(node, "every node")}`);
    const left = `until ${moment(until - offset)} (${duration(until - now)} left)`;
    write(this.facts, [left, by && `by ${by}`, reason].filter(Boolean).join(" · "));
  }
}

const nameOf = (pattern, all) => (pattern === "*" ? all : pattern);

/** Why the agent has not done it, and for a token that may only read, what to do. */
function refusalText({ code, error }) {
  const help = "Open the page in a new tab with a token of nodnod token --role operate --for dashboard.";
  return code === "forbidden" ? `Not allowed: ${error}. ${help}` : `Not done: ${error}`;
}
