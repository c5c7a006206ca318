// The filter of nodes: parts of names, and patterns of names and tags as everywhere else.

/** A test of nodes: whether one of the terms, separated by spaces or commas, fits. All do for none. */
export function filterOf(text) {
  const tests = text.split(/[\s,]+/).filter(Boolean).map(testOf);
  return (node) => tests.length === 0 || tests.some((test) => test(node));
}

function testOf(term) {
  if (term.startsWith("tag:")) {
    return tagTest(term.slice("tag:".length));
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

/** A pattern as an agent reads it: `*`, `?`, `[a-f]`, `[!a-f]`. */
function shapeOf(pattern) {
  const shape = pattern.replace(/\[(!?)(\]?[^\]]*)\]|[\\^$.*+?()|{}[\]]/g, (found, not, inside) => {
    if (inside !== undefined) {
      return `[${not && "^"}${inside.replace(/[\\\]^[]/g, "\\$&")}]`;
    }
    return { "*": ".*", "?": "." }[found] ?? `\\${found}`;
  });
  try {
    return new RegExp(`^${shape}$`, "su");
  } catch {
    return /(?!)/; // a range without sense, as [z-a], fits nothing
  }
}
