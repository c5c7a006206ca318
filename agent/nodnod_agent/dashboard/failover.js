// Whether the page could go on with another agent: tried once, before that is needed.

import { el, show, write } from "./dom.js";
import { isPrivate, openSocket } from "./socket.js";

export class Failover {
  /** The line that says so is put into `element`. */
  constructor(element) {
    this.element = el("p", { class: "failover", role: "status", hidden: true });
    element.append(this.element);
  }

  #tried = false;

  /** Try one of these endpoints of other members that are up, at the first call that has any. */
  async probe(endpoints) {
    if (this.#tried || endpoints.length === 0) {
      return;
    }
    this.#tried = true;
    const endpoint = endpoints[Math.floor(Math.random() * endpoints.length)];
    const { socket, fault } = await openSocket(endpoint);
    socket?.close();
    write(this.element, fault ? `No fail-over from this address: ${reason(endpoint, fault)}` : "");
    show(this.element, Boolean(fault));
  }
}

function reason({ name, address, url }, fault) {
  const agent = name === address ? address : `${name} (${address})`;
  const { protocol, hostname, origin } = location;
  if (fault === "blocked") {
    return "the browser does not let this page into the local network.";
  }
  if (protocol === "http:" && !isPrivate(hostname) && isPrivate(new URL(url).hostname)) {
    return `the browser may keep pages of ${hostname} from ${agent}, in a local network; use https.`;
  }
  if (fault === "silent") {
    return `${agent} does not answer this browser.`;
  }
  return `${agent} cannot be reached, or refuses pages of ${origin}; its log says which.`;
}
