// The cluster as this page knows it: its nodes, and the totals over them.

import { HISTORY_SECONDS, Node } from "./node.js";
import { Series } from "./series.js";

export class Cluster {
  constructor() {
    this.host = null; // the name of the agent that answers
    this.nodes = new Map();
    this.left = []; // the rows of members that left on purpose
    this.heard = null; // when the newest answer came, in Unix seconds by the browser's clock
    this.offset = 0; // seconds by which the agent's clock is ahead of the browser's
    this.cpu = new Series(HISTORY_SECONDS);
    this.traffic = new Series(HISTORY_SECONDS);
    this.totals = totalsOf([]);
  }

  /**
   * Take one tick of stats. Returns the known nodes whose state has `changed`, and those that are
   * new or have `returned`, whose history is to be requested.
   */
  updateStats(answer, now) {
    this.host = answer.host;
    const entries = Object.entries(answer.nodes);
    const changed = [];
    const returned = [];
    for (const [name, stats] of entries) {
      const known = this.nodes.get(name);
      const node = known ?? new Node(name);
      const wasFresh = node.fresh;
      if (node.updateStats(stats, now) && known !== undefined) {
        changed.push(node);
      }
      if (node.fresh && !wasFresh) {
        returned.push(node);
      }
      this.nodes.set(name, node);
    }
    if (this.nodes.size > entries.length) {
      const listed = new Set(entries.map(([name]) => name));
      for (const name of this.nodes.keys()) {
        if (!listed.has(name)) {
          this.nodes.delete(name);
        }
      }
    }
    this.heard = now;
    this.totals = totalsOf([...this.nodes.values()]);
    this.cpu.put(now, this.totals.cpu ?? NaN);
    return { changed, returned };
  }

  /** Take the newest points of every node's history. */
  updateTraffic(answer, now) {
    for (const [node, history] of this.#histories(answer)) {
      node.updateTraffic(history);
      // The agent's newest sample is at most an interval old: more is a difference of the clocks.
      if (node.name === answer.host && history !== undefined) {
        const ahead = history.end - now;
        this.offset = Math.abs(ahead) > 5 ? ahead : 0;
      }
    }
    this.totals = totalsOf([...this.nodes.values()]);
    this.traffic.put(now, this.totals.recv === null ? NaN : this.totals.recv + this.totals.sent);
  }

  /** How many seconds ago a history ended: other agents have kept that of a node that is down. */
  agoOf(history, now) {
    return history.keptBy === undefined ? 0 : Math.max(0, now + this.offset - history.end);
  }

  /** Take the last minutes of every node (`whole`), or of some. */
  fillHistory(answer, now, whole) {
    const traffic = [];
    for (const [node, history] of this.#histories(answer)) {
      if (history !== undefined) {
        const ago = this.agoOf(history, now);
        node.cpu.fill(now, history.every, history.cpuUsed ?? [], ago);
        for (const points of [history.recvBytes ?? [], history.sentBytes ?? []]) {
          const series = new Series(HISTORY_SECONDS);
          series.fill(now, history.every, points, ago);
          traffic.push([series, 1]);
        }
      }
    }
    const nodes = [...this.nodes.values()];
    const weighted = nodes.every(({ fresh, cores }) => !fresh || cores !== null);
    const loads = nodes.map(({ cpu, cores }) => [cpu, weighted ? (cores ?? 1) : 1]);
    combine(this.cpu, loads, now, true);
    if (whole) {
      combine(this.traffic, traffic, now, false);
    }
  }

  /** Take the system sections, which change seldom. */
  updateSystems(answer) {
    for (const [name, { detail }] of Object.entries(answer.nodes)) {
      const node = this.nodes.get(name);
      if (node !== undefined && detail?.system && !detail.system.error) {
        node.system = detail.system;
      }
    }
  }

  /** Take a members answer. */
  updateMembers(answer) {
    for (const member of answer.members) {
      this.nodes.get(member.name)?.updateMember(member, this.offset);
    }
    this.left = answer.members.filter(({ state }) => state === "left");
  }

  #histories(answer) {
    return Object.entries(answer.nodes)
      .filter(([name]) => this.nodes.has(name))
      .map(([name, { history }]) => [this.nodes.get(name), history]);
  }
}

/** Totals over the nodes with current numbers. CPU is weighted by cores if all are known. */
function totalsOf(nodes) {
  const states = { up: 0, stale: 0, error: 0, down: 0 };
  const total = { memoryUsed: 0, memoryTotal: 0, diskUsed: 0, diskTotal: 0 };
  let [recv, sent, hasTraffic] = [0, 0, false];
  const counted = nodes.filter((node) => node.fresh);
  const weighted = counted.length > 0 && counted.every(({ cores }) => cores !== null);
  let [busy, cores] = [0, 0];
  for (const { state } of nodes) {
    states[state] += 1;
  }
  for (const node of counted) {
    for (const field of Object.keys(total)) {
      total[field] += node.stats[field];
    }
    const weight = weighted ? node.cores : 1;
    busy += (node.stats.cpuUsed / 100) * weight;
    cores += weight;
    if (node.traffic.recv !== null) {
      recv += node.traffic.recv;
      sent += node.traffic.sent ?? 0;
      hasTraffic = true;
    }
  }
  return {
    ...total,
    states,
    nodes: nodes.length,
    counted: counted.length,
    cpu: cores > 0 ? (100 * busy) / cores : null,
    busy: weighted ? busy : null,
    cores: weighted ? cores : null,
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
