// The state of a node, read from what an answer says of it.

/** State -> its word, and how much it matters (0 most). */
export const STATES = {
  down: { word: "Down", rank: 0 },
  error: { word: "Error", rank: 1 },
  stale: { word: "Stale", rank: 2 },
  up: { word: "Up", rank: 3 },
};

// The first pattern that an error fits tells the state; any other error is one of the node's own.
// In push mode a node that is down may be known by its last numbers still.
const SAID = [
  [/^$/, "up"],
  [/(^|; )down: /, "down"],
  [/^(not connected yet|left|unknown node)$/, "down"],
  [/^stale: /, "stale"],
  [/^no answer within /, "stale"],
];

/** The state of a node object, by its `error`. */
export function stateOf(error) {
  const row = SAID.find(([pattern]) => pattern.test(error));
  return row === undefined ? "error" : row[1];
}

/** An error without the words that the state says already. */
export function withoutState(error) {
  return error.replace(/^(.*; )?down: |^stale: /, "");
}

/** Whether its numbers are of now. */
export function fresh(stats, state) {
  return state === "up" || (state === "error" && told(stats));
}

/** Whether it holds numbers at all: an error alone comes with zeros. */
export function told(stats) {
  return stats.memoryTotal > 0 || stats.diskTotal > 0 || stats.error === "";
}
