// The title of the page: what is shown, and how much is wrong.

import { count } from "./units.js";

/**
 * Show the numbers of nodes by state and of alerts; `name` is the node shown, or null. What differs
 * between the tabs of a browser comes first: little of a title is seen there.
 */
export function paintTitle({ down, error, stale }, alerts, name) {
  const problems = [
    down > 0 && `${down} down`,
    error > 0 && `${error} with errors`,
    stale > 0 && `${stale} stale`,
    alerts.loud > 0 && count(alerts.loud, "alert"),
  ].filter(Boolean);
  const trouble = problems.length > 0 ? `(${problems.join(", ")}) ` : "";
  const title = `${name === null ? "" : `${name} · `}${trouble}NodNod`;
  if (document.title !== title) {
    document.title = title;
  }
}
