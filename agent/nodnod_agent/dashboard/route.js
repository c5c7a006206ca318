// Names of nodes where they must be written in another way: in the page's address, in a question.

/** Characters that a name may have in a question. */
const LONGEST = 128;

/** The name in `#/node/NAME`, or null for the overview. */
export function nodeInAddress() {
  const found = /^#\/node\/(.+)$/.exec(location.hash);
  try {
    return found === null ? null : decodeURIComponent(found[1]);
  } catch {
    return null; // half an escape: somebody cut the link
  }
}

/** The link to a node. */
export function linkTo(name) {
  return `#/node/${encodeURIComponent(name)}`;
}

/** How to ask for a node: one listed by name and address may be too long for a question. */
export function pattern(name) {
  return name.length <= LONGEST ? name : `${name.slice(0, LONGEST - 1)}*`;
}
