// Node names in other notations: in the page's address, and as a pattern in a request.

/** The longest pattern that a request may have, in characters. */
export const LONGEST = 128;

/** The name in `#/node/NAME`, or null for the overview. */
export function nodeInAddress() {
  const found = /^#\/node\/(.+)$/.exec(location.hash);
  try {
    return found === null ? null : decodeURIComponent(found[1]);
  } catch {
    return null; // an incomplete escape: the link was cut
  }
}

/** The link to a node. */
export function linkTo(name) {
  return `#/node/${encodeURIComponent(name)}`;
}

/** A pattern that matches a node; a name that is too long for a request is cut. */
export function pattern(name) {
  return name.length <= LONGEST ? name : `${name.slice(0, LONGEST - 1)}*`;
}
