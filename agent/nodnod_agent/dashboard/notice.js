// The notice above the page: what is wrong with the connection, and what the page does about it.

import { el, icon, mark, show, unseen, write } from "./dom.js";
import { lossSaid } from "./link.js";
import { moment } from "./units.js";

export class Notice {
  constructor(element, onretry) {
    this.text = el("p", {});
    this.pages = el("span", { class: "pages" });
    this.retry = el("button", { type: "button" }, "Try now");
    this.close = el("button", { type: "button", class: "quiet", title: "Dismiss" }, icon("close"));
    this.close.append(unseen("Dismiss"));
    this.retry.addEventListener("click", onretry);
    this.close.addEventListener("click", () => show(this.element, false));
    this.element = el(
      "div",
      { class: "notice", role: "alert", hidden: true },
      this.text,
      this.pages,
      this.retry,
      this.close,
    );
    element.append(this.element);
  }

  /** Nothing can be heard: say so until somebody answers. */
  lost({ loss, place }, heard, pages) {
    const began = loss === null ? `No agent answers at ${place.address}` : lossSaid(loss);
    const old = heard === null ? "" : ` What you see is of ${moment(heard)}.`;
    this.#say("bad", `${began}.${old} Trying every agent that this page knows of.`);
    show(this.retry, true);
    show(this.close, false);
    this.#offer(pages);
  }

  /** Another agent serves us now. */
  moved(loss, place) {
    this.#say("fine", `${lossSaid(loss)}. Going on with ${place.name}.`);
    show(this.retry, false);
    show(this.close, true);
    this.#offer([]);
  }

  /** An agent would not do what we asked. */
  refused(error) {
    this.#say("bad", `The agent refuses: ${error}`);
    show(this.retry, false);
    show(this.close, true);
    this.#offer([]);
  }

  /** All is well. */
  clear() {
    show(this.element, false);
  }

  #say(kind, text) {
    mark(this.element, "data-kind", kind);
    write(this.text, text);
    show(this.element, true);
  }

  #offer(pages) {
    const links = pages.map(({ name, href }) => el("a", { href }, name));
    const words = links.length > 0 ? ["Or open the page of ", ...between(links)] : [];
    this.pages.replaceChildren(...words);
  }
}

function between(links) {
  return links.flatMap((link, i) => (i === 0 ? [link] : [", ", link]));
}
