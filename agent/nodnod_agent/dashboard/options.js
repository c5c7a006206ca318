// The options of the views. They are in the page's address, so that a link shows the same again;
// those that are a matter of taste are in this browser's storage too, for the next visit.

import { COLUMNS } from "./nodecolumns.js";
import { place, writePlace } from "./route.js";
import { STATES } from "./state.js";

const KEY = "nodnod.preferences";
const OLD_KEY = "nodnod.choices"; // of earlier versions, read where the new key is absent

/** The options of every page. */
const COMMON = { alerts: false };
/** Page -> option -> its value at first. The type of an option is that of this value. */
const OPTIONS = {
  overview: {
    density: "auto",
    columns: ["cpu", "memory", "disk", "network"],
    group: "",
    closed: [],
    sort: "state",
    reverse: false,
    filter: "",
    state: "",
    pinned: [],
    picked: [],
    heat: "cpu",
    about: "",
    log: false,
    ...COMMON,
  },
  node: { span: 300, from: 0, until: 0, order: [], find: [], ...COMMON },
  compare: { span: 300, from: 0, until: 0, node: [], ...COMMON },
};
/** The values that an option may have, where not every one is a good one. */
const VALUES = {
  density: ["auto", "cards", "rows", "heat"],
  heat: Object.keys(COLUMNS).filter((name) => name !== "uptime"),
  columns: Object.keys(COLUMNS),
  state: ["", ...Object.keys(STATES)],
  sort: ["state", "name", ...Object.keys(COLUMNS)],
  span: [300, 900, 3600, 21_600, 86_400, 604_800],
};
/** The options that are stored. */
const STORED = ["density", "columns", "heat", "group", "sort", "reverse", "pinned", "span", "order"];

const INITIAL = Object.assign({}, ...Object.values(OPTIONS));

/** The current options of all pages. */
export const options = { ...INITIAL, ...stored() };

/** Change some options, in the address and in the storage too. */
export function setOptions(changes) {
  Object.assign(options, changes);
  writeAddress();
  if (Object.keys(changes).some((name) => STORED.includes(name))) {
    store();
  }
}

/**
 * Take the options from the address. One without any leaves them as they are, and gets them; in one
 * that has some, those that are absent have the value that they have at first.
 */
export function readAddress() {
  const { page, query } = place();
  if (query.size > 0) {
    for (const [name, initial] of Object.entries(OPTIONS[page])) {
      const value = query.has(name) ? parse(query.getAll(name), initial) : initial;
      options[name] = isValid(name, value) ? value : initial;
    }
  }
  writeAddress();
}

/** The options of a page that differ from those at first, as a query. */
export function query(page) {
  const pairs = Object.entries(OPTIONS[page])
    .filter(([name, initial]) => String(options[name]) !== String(initial))
    .flatMap(([name]) => texts(options[name]).map((text) => [name, text]));
  return new URLSearchParams(pairs);
}

function writeAddress() {
  writePlace(query(place().page));
}

function parse(values, initial) {
  if (Array.isArray(initial)) {
    return values.filter((value) => value !== "");
  }
  const value = values.at(-1);
  if (typeof initial === "number") {
    return Number.isFinite(Number(value)) ? Number(value) : initial;
  }
  return typeof initial === "boolean" ? value === "true" : value;
}

function texts(value) {
  return Array.isArray(value) ? (value.length === 0 ? [""] : value) : [String(value)];
}

/** What is stored; it may be of another version, so the types are checked. */
function stored() {
  try {
    const text = localStorage.getItem(KEY) ?? localStorage.getItem(OLD_KEY);
    const values = Object.entries(JSON.parse(text) ?? {});
    return Object.fromEntries(values.filter(([name, value]) => fits(name, value)));
  } catch {
    return {}; // no storage, or no valid JSON in it
  }
}

function isValid(name, value) {
  return !Object.hasOwn(VALUES, name) || [value].flat().every((one) => VALUES[name].includes(one));
}

function fits(name, value) {
  const initial = INITIAL[name];
  if (!STORED.includes(name) || !isValid(name, value)) {
    return false;
  }
  if (Array.isArray(initial)) {
    return Array.isArray(value) && value.every((one) => typeof one === "string");
  }
  return typeof value === typeof initial;
}

function store() {
  const values = Object.fromEntries(STORED.map((name) => [name, options[name]]));
  try {
    localStorage.setItem(KEY, JSON.stringify(values));
  } catch {
    // No storage: the change holds for this visit.
  }
}
