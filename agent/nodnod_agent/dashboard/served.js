// The line on top that says which agent serves this page, and how old its numbers are.

import { mark, show, write } from "./dom.js";
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
    const live = status.state === "open" && age !== null && age < OLD;
    mark(this.element, "data-state", live ? "live" : status.state === "open" ? "old" : "lost");
    write(this.text, said(status, live));
    show(this.age, age !== null);
    write(this.age, age === null ? "" : live ? `${age.toFixed(1)} s old` : `numbers of ${moment(heard)}`);
    const { loss } = status;
    const lost = loss === null ? "" : `; lost ${loss.name} at ${moment(loss.at / 1000)}: ${loss.reason}`;
    mark(this.element, "title", heard === null ? "" : `Newest numbers came at ${moment(heard)}${lost}`);
  }
}

function said({ state, place }, live) {
  if (state === "open") {
    return live ? `Live from ${place.name}` : `Waiting for ${place.name}`;
  }
  return state === "waiting" ? "No connection" : `Connecting to ${place.name}…`;
}
