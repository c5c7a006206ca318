// The order of the nodes in the overview: sorting, filtering, and groups by a tag.

import { COLUMNS } from "./nodecolumns.js";
import { filterOf } from "./filter.js";
import { STATES } from "./state.js";

const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

const columns = Object.entries(COLUMNS).map(([name, { word, value }]) => [
  name,
  { word, of: (node, { now }) => negative(value(node, now)) },
]);

/** Sort key -> its label, and its value for a node (null: not known); the smallest comes first. */
export const SORTS = {
  name: { word: "Name", of: () => 0 },
  // By the worst alert; the state goes before any order.
  state: { word: "State", of: (node, { alerts }) => alerts.rankOf(node.name) },
  ...Object.fromEntries(columns),
};

/** The nodes sorted by name, in natural order. */
export function byName(nodes) {
  return [...nodes].sort((a, b) => collator.compare(a.name, b.name));
}

/** Those of `nodes` that fit the filter. */
export function matching(nodes, { filter }) {
  return filter.trim() === "" ? nodes : nodes.filter(filterOf(filter));
}

/**
 * Sort nodes that are in the order of their names. Pinned ones come first, then those in trouble
 * whatever the order, the worst before others.
 */
export function inOrder(nodes, { sort, reverse, pinned }, context) {
  const { of } = SORTS[sort];
  const first = new Set(pinned);
  const sign = reverse ? -1 : 1;
  const rows = (reverse ? nodes.toReversed() : nodes).map((node) => ({
    node,
    group: first.has(node.name) ? -1 : 0,
    trouble: STATES[node.state].rank,
    value: sign * (of(node, context) ?? sign * Infinity), // unknown ones are last in both directions
  }));
  rows.sort((a, b) => a.group - b.group || a.trouble - b.trouble || compare(a.value, b.value));
  return rows.map(({ node }) => node);
}

function negative(value) {
  return value === null ? null : -value;
}

function compare(one, other) {
  return one === other ? 0 : one - other; // of two infinite ones, the difference is no number
}

/** The keys of the tags that nodes have. */
export function tagKeys(nodes) {
  const keys = new Set();
  for (const { member } of nodes) {
    Object.keys(member?.tags ?? {}).forEach((key) => keys.add(key));
  }
  return [...keys].sort(collator.compare);
}

/** The nodes by their value of a tag; those without it are the last group, of null. */
export function groupsBy(key, nodes) {
  const valueOf = (tags) => (Object.hasOwn(tags, key) ? tags[key] : null);
  const groups = Map.groupBy(nodes, ({ member }) => valueOf(member?.tags ?? {}));
  const values = [...groups.keys()].filter((value) => value !== null).sort(collator.compare);
  return [...values, ...(groups.has(null) ? [null] : [])].map((value) => ({
    value,
    nodes: groups.get(value),
  }));
}
