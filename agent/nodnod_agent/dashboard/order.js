// The order of the nodes in the overview: sorting and filtering.

import { filterOf } from "./filter.js";
import { STATES } from "./state.js";

const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

const share = (node, field) => (node.fresh ? node.stats[field] : -1);
const flow = ({ traffic }) => (traffic.recv === null ? -1 : traffic.recv + traffic.sent);

/** By the worst alert; the state goes before any order. */
const urgency = (node, alerts) => alerts.rankOf(node.name);

/** Sort key -> its label, and its value for a node; the smallest value comes first. */
export const SORTS = {
  state: { word: "State", of: urgency },
  name: { word: "Name", of: () => 0 },
  cpu: { word: "CPU", of: (node) => -share(node, "cpuUsed") },
  memory: { word: "Memory", of: (node) => -share(node, "memoryUsedPercent") },
  disk: { word: "Disk", of: (node) => -share(node, "diskUsedPercent") },
  network: { word: "Network", of: (node) => -flow(node) },
};

/**
 * The nodes that match the filters, sorted. Those in trouble come first whatever the order, the worst
 * before others; ties are sorted by name.
 */
export function inOrder(nodes, { sort, reverse, filter, state }, alerts) {
  const { of } = SORTS[sort] ?? SORTS.state;
  const sign = reverse ? -1 : 1;
  return nodes
    .filter((node) => state === "" || node.state === state)
    .filter(filterOf(filter))
    .map((node) => [STATES[node.state].rank, of(node, alerts), node])
    .sort(([worse, one, a], [better, other, b]) => {
      const order = one - other || collator.compare(a.name, b.name);
      return worse - better || sign * order;
    })
    .map(([, , node]) => node);
}
