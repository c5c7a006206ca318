// The history of a node in an answer. An agent passes on what other members send, of any shape.

import { known } from "./units.js";

/** The history in a node's object; undefined if there is none, or one that cannot be read. */
export function historyOf(node) {
  const history = node?.history;
  return isValid(history) ? history : undefined;
}

/** Lists of points have to be lists; what is in them, those look at who use it. */
function isValid(history) {
  return (
    known(history?.end) &&
    known(history.every) &&
    history.every > 0 &&
    Object.values(history).every((one) => Array.isArray(one) || typeof one !== "object")
  );
}
