// The status line: which agent serves this page, and how old its numbers are.

import { lossText } from "./connection.js";
import { mark, show, write } from "./dom.js";
import { moment } from "./units.js";

/** Age in seconds from which numbers that should come every second count as old. */
const OLD = 2.5;

export class StatusLine {
  constructor(element) {
    this.element = element;
    this.text = element.querySelector(".text");
    this.age = element.querySelector(".age");
  }

  /** Show the connection's status; `heard` is when the newest numbers came (Unix s, or null). */
  paint(status, heard, now) {
    const age = heard === null ? null : Math.max(0, now - heard);
    const { state, loss } = status;
    const live = state === "open" && age !== null && age < OLD;
    const dead = state === "waiting" || loss !== null ? "lost" : "connecting";
    mark(this.element, "data-state", live ? "live" : state === "open" ? "old" : dead);
    write(this.text, statusText(status, live));
    show(this.age, age !== null);
    const ageText = live ? `${age.toFixed(1)} s old` : `numbers of ${moment(heard)}`;
    write(this.age, age === null ? "" : ageText);
    const newest = heard === null ? "" : `Newest numbers came at ${moment(heard)}. `;
    mark(this.element, "title", newest + (loss === null ? "" : lossText(loss)));
  }
}

function statusText({ state, endpoint }, live) {
  if (!live && !navigator.onLine) {
    return "Offline";
  }
  if (state === "open") {
    return live ? `Live from ${endpoint.name}` : `Waiting for ${endpoint.name}`;
  }
  return state === "waiting" ? "No connection" : `Connecting to ${endpoint.name}…`;
}
