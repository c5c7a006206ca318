// The access token, where the cluster requires one: asked for once, kept for the session, and
// never part of an address.

import { copyButton } from "./clipboard.js";
import { el } from "./dom.js";

const KEY = "nodnod.token";
const TIMEOUT = 3000;
/** The characters allowed in a subprotocol; a cluster's tokens use only some of them. */
const FORMAT = /^[A-Za-z0-9._~-]+$/;
/** Makes a token that may read, for 12 hours. */
const COMMAND = "nodnod token --config /etc/nodnod/config.json --for dashboard";

let kept = ""; // for a browser without storage

/** The token, or an empty string. */
export function token() {
  try {
    return sessionStorage.getItem(KEY) ?? kept;
  } catch {
    return kept;
  }
}

/** Whether the agent that served the page refuses it without a valid token. */
export async function refused() {
  const headers = token() ? { Authorization: `Bearer ${token()}` } : {};
  try {
    const signal = AbortSignal.timeout(TIMEOUT);
    const { status } = await fetch("members", { headers, signal, cache: "no-store" });
    return status === 401;
  } catch {
    return false; // not reachable, which is another problem
  }
}

/** Ask the viewer for a token in a form; resolves once there is one. */
export function askForToken(container) {
  return new Promise((resolve) => {
    const input = el("input", {
      id: "token",
      type: "password",
      autocomplete: "off",
      spellcheck: "false",
      required: true,
    });
    const fault = el("p", { class: "fault", role: "alert" });
    fault.textContent = token() ? "The token is not valid, or has expired." : "";
    const form = el(
      "form",
      { class: "token-form" },
      el("h1", {}, "Token required"),
      el("p", {}, "Reading this cluster requires a token. Make one where an agent runs, with its configuration:"),
      el("div", { class: "command" }, el("pre", {}, COMMAND), copyButton(() => COMMAND)),
      el("label", { for: "token" }, "Token"),
      input,
      fault,
      el("button", { class: "main", type: "submit" }, "Show the cluster"),
      el("p", { class: "aside" }, "It is kept until this tab is closed."),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const given = input.value.trim();
      if (!FORMAT.test(given)) {
        fault.textContent = "A token consists of letters, digits, dots, dashes and underscores.";
        return;
      }
      keep(given);
      form.remove();
      resolve();
    });
    container.replaceChildren(form);
    input.focus();
  });
}

/** Forget the token, and with it all that was read: the page of the agent that answers is opened anew. */
export function signOut({ endpoint }) {
  kept = "";
  try {
    sessionStorage.removeItem(KEY);
  } catch {
    // No storage: the new page has no token anyway.
  }
  if (endpoint.isHome) {
    location.reload();
  } else {
    location.replace(endpoint.href + location.hash);
  }
}

function keep(given) {
  kept = given;
  try {
    sessionStorage.setItem(KEY, given);
  } catch {
    // No storage: the next visit asks again.
  }
}
