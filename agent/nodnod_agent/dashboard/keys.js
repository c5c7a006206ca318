// The keys: what each does, and where. The handlers and the dialog of keys both have them from here.

import { place } from "./route.js";

/**
 * Group -> its title, the pages that it belongs to (null: every page), and action -> its keys. Keys
 * that do the same share a text. `native` ones are the browser's, `typing` ones hold in fields too.
 */
export const GROUPS = {
  everywhere: {
    title: "Everywhere",
    pages: null,
    keys: {
      help: { keys: ["?"], text: "show the keys" },
      alerts: { keys: ["a"], text: "open and close the alerts" },
      link: { keys: ["c"], text: "copy the link to this view" },
      back: { keys: ["Escape"], text: "leave a field, close a panel, go back", typing: true },
    },
  },
  overview: {
    title: "All nodes",
    pages: ["overview"],
    keys: { filter: { keys: ["/"], text: "filter by name or tag" } },
  },
  node: {
    title: "One node",
    pages: ["node"],
    keys: { find: { keys: ["/"], text: "find in a table" } },
  },
  list: {
    title: "A node in the list, once one has the focus",
    pages: ["overview"],
    keys: {
      next: { keys: ["ArrowDown"], text: "from node to node" },
      previous: { keys: ["ArrowUp"], text: "from node to node" },
      left: { keys: ["ArrowLeft"], text: "in the heat map: from square to square" },
      right: { keys: ["ArrowRight"], text: "in the heat map: from square to square" },
      first: { keys: ["Home"], text: "to the first and the last" },
      last: { keys: ["End"], text: "to the first and the last" },
      open: { keys: ["Enter"], text: "open it", native: true },
      pin: { keys: ["p"], text: "keep it on top, or let it go" },
      pick: { keys: ["c"], text: "pick it to be compared, or not" },
    },
  },
  chart: {
    title: "A chart, once it has the focus",
    pages: ["node", "compare"],
    keys: {
      earlier: { keys: ["ArrowLeft"], text: "move the crosshair of all charts; Shift: ten at a time" },
      later: { keys: ["ArrowRight"], text: "move the crosshair of all charts; Shift: ten at a time" },
      muchLater: { keys: ["PageUp"], text: "thirty at a time" },
      muchEarlier: { keys: ["PageDown"], text: "thirty at a time" },
      first: { keys: ["Home"], text: "to the beginning and the end" },
      last: { keys: ["End"], text: "to the beginning and the end" },
      select: { keys: ["Enter"], text: "begin a selection; zoom to it" },
      zoomIn: { keys: ["+", "="], text: "zoom around the crosshair" },
      zoomOut: { keys: ["-"], text: "zoom around the crosshair" },
      live: { keys: ["0"], text: "back to the newest numbers" },
      leave: { keys: ["Escape"], text: "end the selection, take the crosshair away" },
    },
  },
};

/**
 * Call a function of `handlers` when a key of this group is pressed at `target`. One that returns
 * false leaves the key to others. While a dialog is open, only the keys in it are in effect.
 */
export function listen(target, group, handlers) {
  const { keys } = GROUPS[group];
  const rows = Object.entries(keys).filter(([, { native }]) => !native);
  for (const [action] of rows) {
    if (handlers[action] === undefined) {
      throw new Error(`no handler for ${action} of ${group}`);
    }
  }
  target.addEventListener("keydown", (event) => {
    const taken = event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey;
    if (taken || !isHere(GROUPS[group]) || document.querySelector("dialog:modal") !== null) {
      return;
    }
    const row = rows.find(([, row]) => row.keys.includes(event.key));
    if (row === undefined || (isField(event.target) && !row[1].typing)) {
      return;
    }
    if (handlers[row[0]](event) !== false) {
      event.preventDefault();
    }
  });
}

/** Whether a group belongs to the current page. */
export function isHere({ pages }) {
  return pages === null || pages.includes(place().page);
}

/** Whether keys that are pressed there are text. */
export function isField(element) {
  return element instanceof Element && element.matches("input, select, textarea");
}
