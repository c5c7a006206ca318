// The title of the page: how much is wrong, and what is shown.

import { count } from "./units.js";

/** Show the numbers of nodes by state and of alerts; `name` is the node shown, or null. */
export function paintTitle({ down, error, stale }, alerts, name) {
  const problems = [
    down > 0 && `${down} down`,
    error > 0 && `${error} with errors`,
    stale > 0 && `${stale} stale`,
    alerts.loud > 0 && count(alerts.loud, "alert"),
  ].filter(Boolean);
  const page = name === null ? "NodNod" : `${name} · NodNod`;
  const title = problems.length > 0 ? `(${problems.join(", ")}) ${page}` : page;
  if (document.title !== title) {
    document.title = title;
  }
}
