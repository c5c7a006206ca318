// Sums over nodes: their totals now, and the CPU and the network of all of them over time.

import { HISTORY_SECONDS } from "./node.js";
import { Series } from "./series.js";

export class Sums {
  constructor() {
    this.cpu = new Series(HISTORY_SECONDS);
    this.traffic = new Series(HISTORY_SECONDS);
    this.totals = totalsOf([]);
  }

  /** Take the numbers that these nodes have at `now`. */
  update(nodes, now) {
    this.totals = totalsOf(nodes);
    const { cpu, recv, sent } = this.totals;
    this.cpu.put(now, cpu ?? NaN);
    this.traffic.put(now, recv === null ? NaN : recv + sent);
  }

  /** Take the past of these nodes. */
  fill(nodes, now) {
    const weighted = nodes.every(({ fresh, cores }) => !fresh || cores !== null);
    const loads = nodes.map((node) => [node.series.cpu, weighted ? (node.cores ?? 1) : 1]);
    combine(this.cpu, loads, now, true);
    const traffic = nodes.map(({ series }) => [series.network, 1]);
    combine(this.traffic, traffic, now, false);
  }
}

/** Totals over the nodes with current numbers. CPU is weighted by cores if all are known. */
export function totalsOf(nodes) {
  const states = { up: 0, stale: 0, error: 0, down: 0 };
  let [memoryUsed, memoryTotal, diskUsed, diskTotal] = [0, 0, 0, 0];
  let [recv, sent, hasTraffic] = [0, 0, false];
  let [busy, cores, counted] = [0, 0, 0];
  const weighted = nodes.every((node) => !node.fresh || node.cores !== null);
  for (const node of nodes) {
    states[node.state] += 1;
    if (!node.fresh) {
      continue;
    }
    const { stats, recent } = node;
    counted += 1;
    memoryUsed += stats.memoryUsed;
    memoryTotal += stats.memoryTotal;
    diskUsed += stats.diskUsed;
    diskTotal += stats.diskTotal;
    const weight = weighted ? node.cores : 1;
    busy += (stats.cpuUsed / 100) * weight;
    cores += weight;
    if (recent.recvBytes !== null) {
      recv += recent.recvBytes;
      sent += recent.sentBytes ?? 0;
      hasTraffic = true;
    }
  }
  return {
    memoryUsed,
    memoryTotal,
    diskUsed,
    diskTotal,
    states,
    nodes: nodes.length,
    counted,
    cpu: cores > 0 ? (100 * busy) / cores : null,
    busy: weighted && counted > 0 ? busy : null,
    cores: weighted && counted > 0 ? cores : null,
    recv: hasTraffic ? recv : null,
    sent: hasTraffic ? sent : null,
  };
}

/** Fill a series with the sums, or the weighted means, of the series of the nodes. */
function combine(into, parts, now, mean) {
  const last = Math.floor(now);
  const points = [];
  for (let slot = last - HISTORY_SECONDS + 1; slot <= last; slot += 1) {
    let [sum, weights] = [0, 0];
    for (const [series, weight] of parts) {
      const value = series.at(slot);
      if (!Number.isNaN(value)) {
        sum += value * weight;
        weights += weight;
      }
    }
    points.push(weights === 0 ? null : mean ? sum / weights : sum);
  }
  into.fill(now, 1, points);
}
