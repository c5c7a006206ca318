// The state of a node, derived from its object in an answer.

/** State -> its label, and its rank (0 is the most severe). */
export const STATES = {
  down: { word: "Down", rank: 0 },
  error: { word: "Error", rank: 1 },
  stale: { word: "Stale", rank: 2 },
  up: { word: "Up", rank: 3 },
};

// The first matching pattern decides; any other error is a fault of the node itself. In push mode
// the error of a node that is down may begin with the age of its last numbers.
const PATTERNS = [
  [/^$/, "up"],
  [/(^|; )down: /, "down"],
  [/^(not connected yet|left|unknown node)$/, "down"],
  [/^stale: /, "stale"],
  [/^no answer within /, "stale"],
];

/** The state that an `error` stands for. */
export function stateOf(error) {
  const row = PATTERNS.find(([pattern]) => pattern.test(error));
  return row === undefined ? "error" : row[1];
}

/** An error without the words that only repeat the state. */
export function withoutState(error) {
  return error.replace(/^(.*; )?down: |^stale: /, "");
}

/** Whether its numbers are current. */
export function isFresh(stats, state) {
  return state === "up" || (state === "error" && hasNumbers(stats));
}

/** Whether it has numbers at all: a node without an answer is listed with zeros. */
export function hasNumbers(stats) {
  return stats.memoryTotal > 0 || stats.diskTotal > 0 || stats.error === "";
}
