// The page's address, as in `#/node/cartman?span=3600`, and node names as patterns in a request.

/** The longest pattern that a request may have, in characters. */
export const LONGEST = 128;

/**
 * Where the address leads: `page` is `overview`, `compare` or `node`, with the `name` of that; its
 * `query`.
 */
export function place() {
  const [path, query = ""] = split(location.hash);
  const found = /^#\/node\/(.+)$/.exec(path);
  const name = found === null ? null : decoded(found[1]);
  const other = path === "#/compare" ? "compare" : "overview";
  return { page: name === null ? other : "node", name, query: new URLSearchParams(query) };
}

/** Let the address have this query. That is no step for the browser's Back. */
export function writePlace(query) {
  const [path] = split(location.hash || "#/");
  // Legible where that is as good: a value with a colon, an equals sign or a slash.
  const text = query.toString().replace(/%(3A|3D|2F)/g, decodeURIComponent);
  const hash = text === "" ? path : `${path}?${text}`;
  if (hash !== (location.hash || "#/")) {
    history.replaceState(history.state, "", hash);
  }
}

/** The link to a node. */
export function linkTo(name) {
  return `#/node/${encodeURIComponent(name)}`;
}

/** The link to a comparison of these nodes. */
export function linkToCompare(names) {
  return `#/compare?${new URLSearchParams(names.map((name) => ["node", name]))}`;
}

/**
 * A pattern that matches a node. Nearly every name is one of itself, wildcards or not; one that is too
 * long for a request is cut, and one that begins like a pattern of tags gets a `?` there.
 */
export function pattern(name) {
  const characters = [...name]; // as agents count them
  const isLong = characters.length > LONGEST;
  if (!isLong && !/^(tag|site):/.test(name)) {
    return name;
  }
  const begin = isLong ? `${characters.slice(0, LONGEST - 1).join("")}*` : name;
  return begin.replace(/^(tag|site):/, "$1?").replaceAll("[", "?");
}

function split(hash) {
  const at = hash.indexOf("?");
  return at < 0 ? [hash] : [hash.slice(0, at), hash.slice(at + 1)];
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return null; // an incomplete escape: the link was cut
  }
}
