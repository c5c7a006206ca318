// The columns of the overview: what each shows of a node, as a cell of a row or a line of a card.

import { level } from "./level.js";
import { count, duration, known, number, partOf, percent, rate } from "./units.js";

/*
 * `value` is what is sorted by and drawn in the heat map (null: not known just now), `text` and
 * `note` are what is written, `share` is the length of the bar in percent, `level` the grade of the
 * value, `line` the series of the node that is drawn, up to `top`, and `parts` are the two directions
 * of a flow. `fields` are the raw numbers in a CSV. `widths` are those of a row's cell in rem where
 * there is plenty of room, some, and little. `height` is that of a card's line in rem.
 * `section` is the section of `detail` that has the numbers, if no other answer has them.
 */
export const COLUMNS = {
  cpu: {
    word: "CPU",
    value: (node) => (node.fresh ? node.stats.cpuUsed : null),
    share: ({ stats }) => stats?.cpuUsed ?? null,
    text: ({ stats }) => percent(stats?.cpuUsed),
    note: ({ cores }) => (cores === null ? "" : `of ${count(cores, "core")}`),
    level,
    line: "cpu",
    top: 100,
    fields: { cpuUsed: ({ stats }) => stats?.cpuUsed },
    widths: [13, 9, 5],
    height: 4.4,
  },
  memory: sized("Memory", "memory"),
  disk: sized("Disk", "disk"),
  network: flow("Network", "network", {
    recvBytes: { sign: "↓", title: "received", word: " in " },
    sentBytes: { sign: "↑", title: "sent", word: " out " },
  }),
  io: flow("Disk I/O", "io", {
    readBytes: { sign: "R", title: "read from disks", word: " read " },
    writeBytes: { sign: "W", title: "written to disks", word: " written " },
  }),
  load: {
    word: "Load",
    value: ({ recent }) => recent.load1,
    text: ({ recent }) => number(recent.load1),
    line: "load",
    top: null,
    fields: { load1: ({ recent }) => recent.load1 },
    widths: [8.5, 6.5, 3.8],
    height: 1.3,
  },
  swap: {
    word: "Swap",
    section: "memory",
    value: ({ swap }) => swap && (100 * swap.used) / swap.total,
    share: ({ swap }) => swap && (100 * swap.used) / swap.total,
    text: ({ swap }) => percent(swap && (100 * swap.used) / swap.total),
    note: ({ swap }) => (swap === null ? "" : partOf(swap.used, swap.total)),
    level,
    line: "swap",
    top: 100,
    fields: { swapUsed: ({ swap }) => swap?.used, swapTotal: ({ swap }) => swap?.total },
    widths: [17, 9, 5],
    height: 1.75,
  },
  temperature: {
    word: "Temperature",
    section: "sensors",
    value: ({ temperature }) => temperature && temperature.value,
    text: ({ temperature }) =>
      temperature === null ? "–" : `${temperature.value.toFixed(0)}\u00a0°C`,
    level: (value, { temperature }) =>
      known(temperature?.critical) && value >= temperature.critical ? "critical" : "ok",
    line: "temperature",
    top: 100,
    fields: { temperature: ({ temperature }) => temperature?.value },
    widths: [8.5, 7, 6],
    height: 1.3,
  },
  pressure: {
    word: "Pressure",
    value: ({ recent }) => worst(recent)?.value ?? null,
    text: ({ recent }) => percent(worst(recent)?.value),
    note: ({ recent }) => worst(recent)?.word ?? "",
    level,
    line: "pressure",
    top: 100,
    fields: {
      cpuPressure: ({ recent }) => recent.cpuPressure,
      memoryPressure: ({ recent }) => recent.memoryPressure,
      ioPressure: ({ recent }) => recent.ioPressure,
    },
    widths: [11.5, 7, 4.6],
    height: 1.3,
  },
  uptime: {
    word: "Uptime",
    value: (node, now) => uptime(node, now),
    text: (node, now) => duration(uptime(node, now)),
    fields: { bootTime: ({ system }) => system?.bootTime },
    widths: [6.5, 6, 6],
    height: 1.3,
  },
};

function sized(word, kind) {
  const share = ({ stats }) =>
    stats !== null && stats[`${kind}Total`] > 0 ? stats[`${kind}UsedPercent`] : null;
  return {
    word,
    value: (node) => (node.fresh ? share(node) : null),
    share,
    text: (node) => percent(share(node)),
    note: ({ stats }) => (stats === null ? "" : partOf(stats[`${kind}Used`], stats[`${kind}Total`])),
    level,
    fields: {
      [`${kind}UsedPercent`]: share,
      [`${kind}Used`]: ({ stats }) => stats?.[`${kind}Used`],
      [`${kind}Total`]: ({ stats }) => stats?.[`${kind}Total`],
    },
    widths: [15.5, 8, 4.6],
    height: 1.75,
  };
}

function flow(word, line, parts) {
  const fields = Object.keys(parts);
  return {
    word,
    parts,
    value: ({ recent }) =>
      recent[fields[0]] === null ? null : recent[fields[0]] + (recent[fields[1]] ?? 0),
    text: ({ recent }) => fields.map((field) => `${parts[field].sign} ${rate(recent[field])}`).join(" "),
    line,
    top: null,
    fields: Object.fromEntries(fields.map((field) => [field, ({ recent }) => recent[field]])),
    widths: [16, 13.5, 11.5],
    height: 1.3,
  };
}

/** The resource for which tasks wait most. */
function worst({ cpuPressure, memoryPressure, ioPressure }) {
  const all = Object.entries({ CPU: cpuPressure, memory: memoryPressure, "I/O": ioPressure })
    .filter(([, value]) => value !== null)
    .map(([word, value]) => ({ word, value }));
  return all.length === 0 ? null : all.reduce((one, two) => (two.value > one.value ? two : one));
}

function uptime({ fresh, system }, now) {
  return fresh && known(system?.bootTime) ? now - system.bootTime : null;
}

/** What a column shows, as one text. */
export function describe(column, node, now) {
  const note = column.note?.(node) ?? "";
  return `${column.word} ${column.text(node, now)}${note && ` (${note})`}`;
}

/** The raw numbers of these columns, as the rows of a table with a head. */
export function tableOf(nodes, columns) {
  const fields = columns.flatMap((name) => Object.entries(COLUMNS[name].fields));
  const head = ["name", "state", "tags", ...fields.map(([field]) => field)];
  const rows = nodes.map((node) => [
    node.name,
    node.state,
    node.tags.join(" "),
    ...fields.map(([, of]) => (node.fresh ? (of(node) ?? NaN) : NaN)),
  ]);
  return [head, ...rows];
}
