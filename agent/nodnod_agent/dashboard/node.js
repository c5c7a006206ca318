// One node as the overview knows it: its newest numbers, its state, and its last five minutes.

import { Series } from "./series.js";
import { fresh, stateOf, told } from "./state.js";

/** Seconds of the past that the overview draws. */
export const PAST = 300;

const SILENT = /^stale: last heard ([0-9.]+) s ago/;

export class Node {
  constructor(name) {
    this.name = name;
    this.state = null; // not told yet
    this.error = "";
    this.since = null; // Unix seconds at which this state began, as far as anybody can say
    this.stats = null; // the newest numbers there were
    this.statsAt = null;
    this.fresh = false;
    this.traffic = { recv: null, sent: null }; // bytes per second
    this.system = null; // the section of this name
    this.member = null; // its row in the members answer
    this.cpu = new Series(PAST);
  }

  /** Take its object in an answer of this moment; whether its state has changed. */
  take(stats, now) {
    const state = stateOf(stats.error);
    const changed = state !== this.state;
    if (changed) {
      // What was so when we came has been so for longer, and the members may say since when.
      this.since = this.state === null ? null : now;
      this.state = state;
      const silent = SILENT.exec(stats.error);
      this.since = silent === null ? this.since : now - Number(silent[1]);
    }
    this.error = stats.error;
    this.fresh = fresh(stats, state);
    if (told(stats)) {
      this.stats = stats;
      this.statsAt = this.fresh ? now : this.statsAt;
    }
    if (!this.fresh) {
      this.traffic = { recv: null, sent: null };
    }
    this.cpu.put(now, this.fresh ? stats.cpuUsed : NaN);
    return changed;
  }

  /** Take the newest point of its history: only that knows the traffic of the real interfaces. */
  flow(history) {
    if (this.fresh && history !== undefined) {
      this.traffic = { recv: lastOf(history.recvBytes), sent: lastOf(history.sentBytes) };
    }
  }

  /** Take its row among the members; `offset` is by how much their clock is ahead of ours. */
  roll(member, offset) {
    this.member = member;
    const agreed = this.state === member.state && member.since !== null;
    if (agreed) {
      this.since = member.since - offset;
    }
  }

  /** How many cores it has; null while unknown. A quota of a container counts as so many. */
  get cores() {
    return this.system?.cpuLimit ?? this.system?.cores?.logical ?? null;
  }
}

function lastOf(points) {
  return points?.at(-1) ?? null;
}
