// What charts show as a table: a row for each node and point of time, a column for each number.

import { number, percent, rate } from "./units.js";

const UNITS = new Map([[percent, " (%)"], [rate, " (B/s)"], [number, ""]]);

/** The rows of these charts, the first of which has the titles. Times are in UTC. */
export function tableOf(charts) {
  const titles = ["time", "node"];
  const rows = new Map();
  for (const { title, lines, tracks, unit, window } of charts) {
    lines.forEach(({ name, node }, i) => {
      const label = name === node ? title : `${title}, ${name}`;
      const track = tracks[i];
      put(`${label}${UNITS.get(unit)}`, node, track, track.means, window);
      if (track.peaks !== null) {
        put(`${label}, highest${UNITS.get(unit)}`, node, track, track.peaks, window);
      }
    });
  }
  const sorted = [...rows.values()].sort((a, b) => a.time - b.time);
  return [
    titles,
    ...sorted.map(({ time, node, cells }) => [
      new Date(time * 1000).toISOString().replace(".000", ""),
      node,
      ...titles.slice(2).map((title) => cells.get(title) ?? NaN),
    ]),
  ];

  function put(title, node, { first, every }, values, { from, until }) {
    if (!titles.includes(title)) {
      titles.push(title);
    }
    values.forEach((value, i) => {
      const time = Math.round(first + i * every);
      if (time >= from && time <= until && !Number.isNaN(value)) {
        const key = `${time} ${node}`;
        rows.set(key, rows.get(key) ?? { time, node, cells: new Map() });
        rows.get(key).cells.set(title, Number(value.toPrecision(7)));
      }
    });
  }
}
