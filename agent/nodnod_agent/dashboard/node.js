// One node: its newest numbers, its state, and its last five minutes.

import { Series } from "./series.js";
import { hasNumbers, isFresh, stateOf } from "./state.js";

/** Seconds of history that the overview draws. */
export const HISTORY_SECONDS = 300;

const STALE = /^stale: last heard ([0-9.]+) s ago/;

export class Node {
  constructor(name) {
    this.name = name;
    this.state = null; // unknown until the first answer
    this.error = "";
    this.since = null; // Unix seconds at which this state began, if known
    this.stats = null; // the newest numbers
    this.statsAt = null;
    this.fresh = false;
    this.traffic = { recv: null, sent: null }; // bytes per second
    this.system = null; // the system section
    this.member = null; // its row in the members answer
    this.cpu = new Series(HISTORY_SECONDS);
  }

  /** Take its object of an answer; whether its state has changed. */
  updateStats(stats, now) {
    const state = stateOf(stats.error);
    const changed = state !== this.state;
    if (changed) {
      // The first state seen may be older; the members answer may have the time that it began.
      this.since = this.state === null ? null : now;
      this.state = state;
      const stale = STALE.exec(stats.error);
      this.since = stale === null ? this.since : now - Number(stale[1]);
    }
    this.error = stats.error;
    this.fresh = isFresh(stats, state);
    if (hasNumbers(stats)) {
      this.stats = stats;
      this.statsAt = this.fresh ? now : this.statsAt;
    }
    if (!this.fresh) {
      this.traffic = { recv: null, sent: null };
    }
    this.cpu.put(now, this.fresh ? stats.cpuUsed : NaN);
    return changed;
  }

  /** Take the newest point of its history, which counts the traffic of real interfaces only. */
  updateTraffic(history) {
    if (this.fresh && history !== undefined) {
      this.traffic = { recv: lastOf(history.recvBytes), sent: lastOf(history.sentBytes) };
    }
  }

  /** Take its row of a members answer; `offset` is how far the agent's clock is ahead, in s. */
  updateMember(member, offset) {
    this.member = member;
    const sameState = this.state === member.state && member.since !== null;
    if (sameState) {
      this.since = member.since - offset;
    }
  }

  /** The tags, as ["role=db", "site=eu-1"]. */
  get tags() {
    const tags = Object.entries(this.member?.tags ?? {});
    return tags.map(([key, value]) => `${key}=${value}`).sort();
  }

  /** The number of cores, or a container's limit of them; null while unknown. */
  get cores() {
    return this.system?.cpuLimit ?? this.system?.cores?.logical ?? null;
  }
}

function lastOf(points) {
  return points?.at(-1) ?? null;
}
