// The only place that opens a WebSocket to an agent, and how long it waits for one.

import { token } from "./token.js";

/** Milliseconds in which a WebSocket must open. */
const PATIENCE = 3000;
/** After so many failures in a row, and how long then: Chromium itself puts off to dial after many. */
const MANY_FAILURES = 8;
const LONG_PATIENCE = 10_000;
/** Milliseconds in which a person may answer the browser's question about the local network. */
const PROMPT_PATIENCE = 60_000;

const PRIVATE = /^(\[f[cd]|\[fe[89ab]|10\.|127\.|169\.254\.|172\.(1[6-9]|2\d|3[01])\.|192\.168\.|\[::1\]$|(.+\.)?localhost$)/;

let failures = 0; // in a row

/** Whether a host is one of a network that pages on the internet need permission to reach. */
export function isPrivate(hostname) {
  return PRIVATE.test(hostname);
}

/**
 * Open a socket to an endpoint. Gives `{ socket }`, or `{ fault }`: `"blocked"` by the browser,
 * `"silent"` until patience ended, or `"closed"`. `cancel` is an AbortSignal that ends the attempt.
 */
export async function openSocket(endpoint, cancel = undefined) {
  const bearer = token() ? [`nodnod.bearer.${token()}`] : [];
  const socket = new WebSocket(endpoint.url, ["nodnod.2", ...bearer]);
  const ended = new Promise((resolve) => {
    socket.onopen = () => resolve("open");
    socket.onclose = () => resolve("closed");
    cancel?.addEventListener("abort", () => resolve("closed"));
  });
  const patience = failures < MANY_FAILURES ? PATIENCE : LONG_PATIENCE;
  let result = await Promise.race([ended, after(patience)]);
  if (result === "silent" && (await localNetwork(endpoint)) === "prompt") {
    result = await Promise.race([ended, after(PROMPT_PATIENCE - patience)]);
  }
  socket.onopen = socket.onclose = null;
  if (result === "open" && !cancel?.aborted) {
    failures = 0;
    return { socket };
  }
  failures += 1;
  socket.close();
  return { fault: (await localNetwork(endpoint)) === "denied" ? "blocked" : result };
}

/**
 * What the browser lets this page do in the local network, if it has to ask for this endpoint:
 * `granted`, `prompt` or `denied`. An empty string where no permission is involved, or none is known.
 */
async function localNetwork(endpoint) {
  const { protocol, hostname } = location;
  if (isPrivate(hostname) || !isPrivate(new URL(endpoint.url).hostname)) {
    return "";
  }
  try {
    const { state } = await navigator.permissions.query({ name: "local-network" });
    return protocol === "https:" ? state : "";
  } catch {
    return ""; // not a browser that asks
  }
}

function after(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds, "silent"));
}
