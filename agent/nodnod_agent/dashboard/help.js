// The dialog that shows the keys of the current page.

import { el, icon, unseen } from "./dom.js";
import { GROUPS, isHere } from "./keys.js";

const SYMBOLS = { ArrowUp: "↑", ArrowDown: "↓", ArrowLeft: "←", ArrowRight: "→" };
const NAMES = { Escape: "Esc", PageUp: "PgUp", PageDown: "PgDn" };

export class Help {
  /** `button` opens it, too. */
  constructor(dialog, button) {
    this.dialog = dialog;
    this.groups = el("div", { class: "key-groups" });
    const close = el("button", { type: "button", class: "quiet", title: "Close" }, icon("close"));
    close.append(unseen("Close"));
    close.addEventListener("click", () => dialog.close());
    const title = el("h2", { id: "help-title" }, "Keys");
    dialog.append(el("header", {}, title, close), this.groups);
    button.addEventListener("click", () => this.open());
  }

  /** Show the keys of this page; the browser keeps the focus in the dialog until it is closed. */
  open() {
    this.groups.replaceChildren(...Object.values(GROUPS).filter(isHere).map(section));
    this.dialog.showModal();
  }
}

function section({ title, keys }) {
  const rows = Map.groupBy(Object.values(keys), ({ text }) => text);
  const list = [...rows].flatMap(([text, same]) => [
    el("dt", {}, ...same.flatMap((row) => row.keys).flatMap((key) => [keyCap(key), " "])),
    el("dd", {}, text),
  ]);
  return el("section", {}, el("h3", {}, title), el("dl", {}, ...list));
}

function keyCap(key) {
  const symbol = SYMBOLS[key];
  if (symbol === undefined) {
    return el("kbd", {}, NAMES[key] ?? key);
  }
  return el("kbd", {}, el("span", { "aria-hidden": "true" }, symbol), unseen(key.replace("Arrow", "Arrow ")));
}
