// The marks on the time axis of charts: what has happened to nodes, and when alerts fired.
//
// A mark is `{ node, kind, from, until, severity, text }`: Unix seconds by the browser's clock. `until`
// is `from` for what happened at one moment, and null for what goes on.

/** Kinds of events that end a node's being down. */
const BACK = ["up", "started", "joined", "restarted", "left"];

const FIRED = /^(.*?), (critical|warning): (.*)$/s;

/**
 * The marks of these events, in any order, and of the alerts that fire; the oldest first. `ahead` is how
 * far the agents' clock is ahead of the browser's, in s.
 */
export function marksOf(events, firing, ahead) {
  const marks = [];
  const open = new Map(); // node, and rule and object of an alert -> its mark
  const end = (key, at) => {
    const mark = open.get(key);
    if (mark !== undefined) {
      mark.until = Math.max(mark.from, at);
      open.delete(key);
    }
  };
  const begin = (key, mark) => {
    end(key, mark.from);
    open.set(key, mark);
    marks.push(mark);
  };
  for (const { at, node, kind, text = "" } of events.toSorted((a, b) => a.at - b.at)) {
    const mark = { node, kind, from: at, until: at, severity: null, text: sentence(kind, text) };
    if (kind === "alert-fired") {
      const [, what, severity, said] = FIRED.exec(text) ?? [null, text, "warning", text];
      begin(`${node}\n${what}`, { ...mark, until: null, severity, text: said });
    } else if (kind === "alert-cleared") {
      const key = [...open.keys()].find((one) => `${node}\n${text}`.startsWith(`${one}: `));
      end(key, at);
    } else if (kind === "down") {
      begin(node, { ...mark, until: null });
    } else {
      if (BACK.includes(kind)) {
        end(node, at);
      }
      marks.push(mark);
    }
  }
  for (const { node, rule, object, severity, since, text } of firing) {
    const key = `${node}\n${object === "" ? rule : `${rule} ${object}`}`;
    if (!open.has(key)) {
      const kind = "alert-fired";
      marks.push({ node, kind, from: since, until: null, severity, text: text || key.split("\n")[1] });
    }
    open.delete(key);
  }
  // The log has lost the end of an alert that is said to fire no more.
  for (const mark of open.values()) {
    mark.until = mark.kind === "alert-fired" ? mark.from : null;
  }
  for (const mark of marks) {
    mark.from -= ahead;
    mark.until = mark.until === null ? null : mark.until - ahead;
  }
  return marks.sort((a, b) => a.from - b.from);
}

/** Those of the marks that lie between two moments, at least in part. */
export function marksIn(marks, from, until) {
  return marks.filter((mark) => mark.from <= until && (mark.until ?? Infinity) >= from);
}

/** Those that begin or end within `near` seconds of a moment. */
export function marksAt(marks, time, near) {
  return marks.filter(
    (mark) => Math.abs(mark.from - time) <= near || Math.abs((mark.until ?? Infinity) - time) <= near,
  );
}

function sentence(kind, text) {
  return text === "" ? kind : `${kind}: ${text}`;
}
