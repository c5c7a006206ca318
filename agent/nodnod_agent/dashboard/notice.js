// The notice above the page: a problem with the connection, and what the page does about it.

import { lossText } from "./connection.js";
import { el, icon, mark, show, unseen, write } from "./dom.js";
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

  /** No agent answers; shown until one does. */
  lost({ loss, endpoint }, heard, pages) {
    const problem = loss === null ? `No agent answers at ${endpoint.address}` : lossText(loss);
    const old = heard === null ? "" : ` The numbers shown are of ${moment(heard)}.`;
    const next = navigator.onLine
      ? "Trying all known agents."
      : "This browser is offline; the page goes on as soon as it is online.";
    this.#show("bad", `${problem}.${old} ${next}`);
    show(this.retry, true);
    show(this.close, false);
    this.#linkPages(pages);
  }

  /** The page has moved to another agent. */
  moved(loss, endpoint) {
    this.#show("fine", `${lossText(loss)}. Now connected to ${endpoint.name}.`);
    show(this.retry, false);
    show(this.close, true);
    // A reload would ask the agent that is gone.
    this.#linkPages([{ name: endpoint.name, href: endpoint.href + location.hash }], "Open its page: ");
  }

  /** The agent has refused a request. */
  refused(error) {
    this.#show("bad", `The agent refused: ${error}`);
    show(this.retry, false);
    show(this.close, true);
    this.#linkPages([]);
  }

  /** The connection is fine. */
  clear() {
    show(this.element, false);
  }

  #show(kind, text) {
    mark(this.element, "data-kind", kind);
    write(this.text, text);
    show(this.element, true);
  }

  #linkPages(pages, before = "Or open the page of ") {
    const links = pages.map(({ name, href }) => el("a", { href }, name));
    const words = links.length > 0 ? [before, ...separated(links)] : [];
    this.pages.replaceChildren(...words);
  }
}

function separated(links) {
  return links.flatMap((link, i) => (i === 0 ? [link] : [", ", link]));
}
