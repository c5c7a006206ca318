// The order of the nodes in the overview: sorting and filtering.

import { STATES } from "./state.js";

const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

const share = (node, field) => (node.fresh ? node.stats[field] : -1);
const flow = ({ traffic }) => (traffic.recv === null ? -1 : traffic.recv + traffic.sent);

/** By state, and within a state by the worst alert. */
const urgency = (node, alerts) => STATES[node.state].rank + alerts.rankOf(node.name) / 3;

/** Sort key -> its label, and its value for a node; the smallest value comes first. */
export const SORTS = {
  state: { word: "State", of: urgency },
  name: { word: "Name", of: () => 0 },
  cpu: { word: "CPU", of: (node) => -share(node, "cpuUsed") },
  memory: { word: "Memory", of: (node) => -share(node, "memoryUsedPercent") },
  disk: { word: "Disk", of: (node) => -share(node, "diskUsedPercent") },
  network: { word: "Network", of: (node) => -flow(node) },
};

/** The nodes that match the filters, sorted; ties are sorted by name. */
export function inOrder(nodes, { sort, reverse, filter, state }, alerts) {
  const fits = filterOf(filter.trim());
  const { of } = SORTS[sort] ?? SORTS.state;
  const sign = reverse ? -1 : 1;
  return nodes
    .filter((node) => state === "" || node.state === state)
    .filter(fits)
    .map((node) => [of(node, alerts), node])
    .sort(([one, a], [other, b]) => sign * (one - other || collator.compare(a.name, b.name)))
    .map(([, node]) => node);
}

/** Whether a filter is about tags: "tag:role=db", with * and ? in the value, or "tag:role". */
export function isTagFilter(text) {
  return text.trim().startsWith("tag:");
}

/** A test of nodes: by their tags, or by a part of their names. */
function filterOf(text) {
  if (!isTagFilter(text)) {
    const wanted = text.toLowerCase();
    return ({ name }) => name.toLowerCase().includes(wanted);
  }
  const wanted = text.slice("tag:".length);
  const whole = wanted.includes("=") ? wanted : `${wanted}=*`;
  const literal = whole.replace(/[\\^$.+()|{}[\]]/g, "\\$&");
  const shape = new RegExp(`^${literal.replace(/\*/g, ".*").replace(/\?/g, ".")}$`, "su");
  return ({ tags }) => tags.some((tag) => shape.test(tag));
}
