// What this page knows of the cluster: every node, and the sums over them.

import { Node, PAST } from "./node.js";
import { Series } from "./series.js";

export class Cluster {
  constructor() {
    this.host = null; // the agent that tells us
    this.nodes = new Map();
    this.left = []; // the rows of members that left on purpose
    this.heard = null; // when the newest answer came, Unix seconds of this browser
    this.offset = 0; // seconds by which the agent's clock is ahead of this browser's
    this.cpu = new Series(PAST);
    this.traffic = new Series(PAST);
    this.totals = sums([]);
  }

  /**
   * Take a tick. Gives the nodes that were known and whose state has `changed`, and those that can
   * be asked for what has been `missed`: they are new, or back.
   */
  live(answer, now) {
    this.host = answer.host;
    const entries = Object.entries(answer.nodes);
    const changed = [];
    const missed = [];
    for (const [name, stats] of entries) {
      const known = this.nodes.get(name);
      const node = known ?? new Node(name);
      const wasFresh = node.fresh;
      if (node.take(stats, now) && known !== undefined) {
        changed.push(node);
      }
      if (node.fresh && !wasFresh) {
        missed.push(node);
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
    this.totals = sums([...this.nodes.values()]);
    this.cpu.put(now, this.totals.cpu ?? NaN);
    return { changed, missed };
  }

  /** Take the newest points of every node's history. */
  flow(answer, now) {
    for (const [node, history] of this.#histories(answer)) {
      node.flow(history);
      // Its own newest sample is at most an interval old: what is more is the clocks' difference.
      if (node.name === answer.host && history !== undefined) {
        const ahead = history.end - now;
        this.offset = Math.abs(ahead) > 5 ? ahead : 0;
      }
    }
    this.totals = sums([...this.nodes.values()]);
    this.traffic.put(now, this.totals.recv === null ? NaN : this.totals.recv + this.totals.sent);
  }

  /** Take the last minutes of every node, or (not `whole`) of some. */
  past(answer, now, whole) {
    const flows = [];
    for (const [node, history] of this.#histories(answer)) {
      if (history !== undefined) {
        node.cpu.fill(now, history.every, history.cpuUsed ?? []);
        for (const points of [history.recvBytes ?? [], history.sentBytes ?? []]) {
          const flow = new Series(PAST);
          flow.fill(now, history.every, points);
          flows.push([flow, 1]);
        }
      }
    }
    const nodes = [...this.nodes.values()];
    const weighed = nodes.every(({ fresh, cores }) => !fresh || cores !== null);
    const loads = nodes.map(({ cpu, cores }) => [cpu, weighed ? (cores ?? 1) : 1]);
    add(this.cpu, loads, now, true);
    if (whole) {
      add(this.traffic, flows, now, false);
    }
  }

  /** Take what does not change while an agent runs. */
  facts(answer) {
    for (const [name, { detail }] of Object.entries(answer.nodes)) {
      const node = this.nodes.get(name);
      if (node !== undefined && detail?.system && !detail.system.error) {
        node.system = detail.system;
      }
    }
  }

  /** Take the members. */
  roll(answer) {
    for (const member of answer.members) {
      this.nodes.get(member.name)?.roll(member, this.offset);
    }
    this.left = answer.members.filter(({ state }) => state === "left");
  }

  #histories(answer) {
    return Object.entries(answer.nodes)
      .filter(([name]) => this.nodes.has(name))
      .map(([name, { history }]) => [this.nodes.get(name), history]);
  }
}

/** Sums over the nodes whose numbers are of now; CPU by cores where all have told theirs. */
function sums(nodes) {
  const states = { up: 0, stale: 0, error: 0, down: 0 };
  const total = { memoryUsed: 0, memoryTotal: 0, diskUsed: 0, diskTotal: 0 };
  let [recv, sent, flowing] = [0, 0, false];
  const counted = nodes.filter((node) => node.fresh);
  const weighed = counted.length > 0 && counted.every(({ cores }) => cores !== null);
  let [busy, cores] = [0, 0];
  for (const { state } of nodes) {
    states[state] += 1;
  }
  for (const node of counted) {
    for (const field of Object.keys(total)) {
      total[field] += node.stats[field];
    }
    const weight = weighed ? node.cores : 1;
    busy += (node.stats.cpuUsed / 100) * weight;
    cores += weight;
    if (node.traffic.recv !== null) {
      recv += node.traffic.recv;
      sent += node.traffic.sent ?? 0;
      flowing = true;
    }
  }
  return {
    ...total,
    states,
    nodes: nodes.length,
    counted: counted.length,
    cpu: cores > 0 ? (100 * busy) / cores : null,
    busy: weighed ? busy : null,
    cores: weighed ? cores : null,
    recv: flowing ? recv : null,
    sent: flowing ? sent : null,
  };
}

/** Fill a series of sums, or of weighted means, from those of the nodes. */
function add(into, parts, now, mean) {
  const last = Math.floor(now);
  const points = [];
  for (let slot = last - PAST + 1; slot <= last; slot += 1) {
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
