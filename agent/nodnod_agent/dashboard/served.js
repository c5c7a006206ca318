// The line on top that says which agent serves this page, and how old its numbers are.

import { mark, show, write } from "./dom.js";
import { lossSaid } from "./link.js";
import { moment } from "./units.js";

/** Seconds after which numbers that should come every second are called old. */
const OLD = 2.5;

export class Served {
  constructor(element) {
    this.element = element;
    this.text = element.querySelector(".text");
    this.age = element.querySelector(".age");
  }

  /** Show the link's status, and when the newest numbers came (Unix seconds, or null). */
  paint(status, heard, now) {
    const age = heard === null ? null : Math.max(0, now - heard);
    const { state, loss } = status;
    const live = state === "open" && age !== null && age < OLD;
    const dead = state === "waiting" || loss !== null ? "lost" : "connecting";
    mark(this.element, "data-state", live ? "live" : state === "open" ? "old" : dead);
    write(this.text, said(status, live));
    show(this.age, age !== null);
    const old = live ? `${age.toFixed(1)} s old` : `numbers of ${moment(heard)}`;
    write(this.age, age === null ? "" : old);
    const came = heard === null ? "" : `Newest numbers came at ${moment(heard)}. `;
    mark(this.element, "title", came + (loss === null ? "" : lossSaid(loss)));
  }
}

function said({ state, place }, live) {
  if (state === "open") {
    return live ? `Live from ${place.name}` : `Waiting for ${place.name}`;
  }
  return state === "waiting" ? "No connection" : `Connecting to ${place.name}…`;
}
