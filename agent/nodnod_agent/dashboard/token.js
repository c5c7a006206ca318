// The token that lets this page in, where the cluster wants one: asked for once, kept for the
// session, never part of an address.

import { el } from "./dom.js";

const KEY = "nodnod.token";
const PATIENCE = 3000;
/** What may stand in a subprotocol's name; a token of the cluster is made of fewer. */
const FORM = /^[A-Za-z0-9._~-]+$/;

let kept = ""; // for a browser that stores nothing

/** The token, or an empty string. */
export function token() {
  try {
    return sessionStorage.getItem(KEY) ?? kept;
  } catch {
    return kept;
  }
}

/** Whether the agent whose page this is refuses us for want of a token. */
export async function refused() {
  const headers = token() ? { Authorization: `Bearer ${token()}` } : {};
  try {
    const signal = AbortSignal.timeout(PATIENCE);
    const { status } = await fetch("members", { headers, signal, cache: "no-store" });
    return status === 401;
  } catch {
    return false; // it is not there at all, which is another matter
  }
}

/** Ask the viewer; settled once there is one. */
export function askForToken(place) {
  return new Promise((resolve) => {
    const input = el("input", {
      id: "token",
      type: "password",
      autocomplete: "off",
      spellcheck: "false",
      required: true,
    });
    const fault = el("p", { class: "fault", role: "alert" });
    fault.textContent = token() ? "The token that was given is not valid, or not any more." : "";
    const form = el(
      "form",
      { class: "gate" },
      el("h1", {}, "Who are you?"),
      el("p", {}, "This cluster shows itself to those who have a token. Make one with"),
      el("pre", {}, "nodnod token --role read --ttl 12h --for dashboard"),
      el("label", { for: "token" }, "Token"),
      input,
      fault,
      el("button", { class: "main", type: "submit" }, "Show the cluster"),
      el("p", { class: "aside" }, "It is kept until this tab is closed."),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const given = input.value.trim();
      if (!FORM.test(given)) {
        fault.textContent = "A token is made of letters, digits, dots, dashes and underscores.";
        return;
      }
      keep(given);
      form.remove();
      resolve();
    });
    place.replaceChildren(form);
    input.focus();
  });
}

function keep(given) {
  kept = given;
  try {
    sessionStorage.setItem(KEY, given);
  } catch {
    // A reload will ask again.
  }
}
