// The filter of nodes: parts of names, and patterns of names and tags as everywhere else.

import { LONGEST } from "./route.js";

const NOTHING = /(?!)/;

/** A test of nodes: whether one of the terms, separated by spaces or commas, fits. All do for none. */
export function filterOf(text) {
  const tests = text.split(/[\s,]+/).filter(Boolean).map(testOf);
  return (node) => tests.length === 0 || tests.some((test) => test(node));
}

function testOf(term) {
  const found = /^(tag|site):(.*)$/s.exec(term);
  if (found) {
    return tagTest(found[1] === "site" ? `site=${found[2]}` : found[2]);
  }
  const test = textTest(term);
  return ({ name }) => test(name);
}

/** A test of texts: whether a pattern fits, or a part of it occurs in any case. */
export function textTest(term) {
  if (/[*?[]/.test(term)) {
    const shape = shapeOf(term);
    return (text) => shape.test(text);
  }
  const wanted = term.toLowerCase();
  return (text) => text.toLowerCase().includes(wanted);
}

function tagTest(term) {
  const shape = shapeOf(term.includes("=") ? term : `${term}=*`);
  return ({ tags }) => tags.some((tag) => shape.test(tag));
}

/**
 * A pattern as an agent reads it: `*`, `?`, `[a-f]`, `[!a-f]`. What stands between two `*` is matched at
 * its first place only, which is enough: a regular expression that tries all takes forever at many `*`.
 */
function shapeOf(pattern) {
  if (pattern.length > LONGEST) {
    return NOTHING;
  }
  const pieces = [""];
  for (const [found, not, inside] of pattern.matchAll(/\[(!?)(\]?[^\]]*)\]|./gsu)) {
    if (found === "*") {
      pieces.push("");
    } else {
      pieces[pieces.length - 1] += inside === undefined ? one(found) : oneOf(not, inside);
    }
  }
  const [first, ...rest] = pieces;
  const last = rest.length === 0 ? "" : `.*${rest.pop()}`;
  const between = rest.map((piece, i) => `(?=(.*?${piece}))\\${i + 1}`).join("");
  try {
    return new RegExp(`^${first}${between}${last}$`, "su");
  } catch {
    return NOTHING; // a range without sense, as [z-a], fits nothing
  }
}

function one(character) {
  return character === "?" ? "." : character.replace(/[\\^$.+()|{}[\]]/, "\\$&");
}

function oneOf(not, characters) {
  return `[${not && "^"}${characters.replace(/[\\\]^[]/g, "\\$&")}]`;
}
