// Where the page is: the part of its address after the #.

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
