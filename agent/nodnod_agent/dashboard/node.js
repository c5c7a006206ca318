// One node: its newest numbers, its state, and its last five minutes.

import { Series } from "./series.js";
import { hasNumbers, isFresh, stateOf } from "./state.js";
import { known } from "./units.js";

/** Seconds of history that the overview draws. */
export const HISTORY_SECONDS = 300;

const NOTHING = pointOf({}, 0);

/** What is drawn of a history besides the CPU -> its value at one point of it. */
const LINES = {
  network: ({ recvBytes, sentBytes }) => (recvBytes === null ? null : recvBytes + sentBytes),
  io: ({ readBytes, writeBytes }) => (readBytes === null ? null : readBytes + writeBytes),
  load: ({ load1 }) => load1,
  pressure: ({ cpuPressure, memoryPressure, ioPressure }) =>
    cpuPressure === null ? null : Math.max(cpuPressure, memoryPressure, ioPressure),
};

const KINDS = ["cpu", ...Object.keys(LINES), "swap", "temperature"];

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
    this.recent = NOTHING; // the newest point of its history
    this.swap = null; // bytes that are used, and in all
    this.temperature = null; // the hottest sensor
    this.system = null; // the system section
    this.member = null; // its row in the members answer
    this.tags = []; // as ["role=db", "site=eu-1"]
    this.series = Object.fromEntries(KINDS.map((kind) => [kind, new Series(HISTORY_SECONDS)]));
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
      this.recent = NOTHING;
      this.swap = this.temperature = null;
    }
    this.series.cpu.put(now, this.fresh ? stats.cpuUsed : NaN);
    return changed;
  }

  /** Take the newest point of its history, which counts the traffic of real interfaces only. */
  updateRecent(history, now) {
    if (!this.fresh || history === undefined) {
      return;
    }
    this.recent = pointOf(history, -1);
    for (const kind in LINES) {
      this.series[kind].put(now, LINES[kind](this.recent) ?? NaN);
    }
  }

  /** Take its past, which ended `ago` seconds before `now`. */
  fill(history, now, ago) {
    const { every, cpuUsed = [] } = history;
    this.series.cpu.fill(now, every, cpuUsed, ago);
    const longest = Math.max(0, ...Object.keys(NOTHING).map((field) => history[field]?.length ?? 0));
    const points = Array.from({ length: longest }, (_, i) => pointOf(history, i - longest));
    for (const [kind, valueOf] of Object.entries(LINES)) {
      this.series[kind].fill(now, every, points.map(valueOf), ago);
    }
  }

  /** Take the sections of which some columns are. */
  updateSections({ memory, sensors }, now) {
    if (!this.fresh) {
      return;
    }
    if (memory !== undefined) {
      const has = memory?.swapTotal > 0 && known(memory.swapUsed);
      this.swap = has ? { used: memory.swapUsed, total: memory.swapTotal } : null;
      this.series.swap.put(now, has ? (100 * memory.swapUsed) / memory.swapTotal : NaN);
    }
    if (sensors !== undefined) {
      const hottest = (one, other) => (other.value > one.value ? other : one);
      const all = [sensors?.temperatures ?? []].flat().filter((one) => known(one?.value));
      this.temperature = all.length === 0 ? null : all.reduce(hottest);
      this.series.temperature.put(now, this.temperature?.value ?? NaN);
    }
  }

  /**
   * Take its row of a members answer; `offset` is how far the agent's clock is ahead, in s. Whether it
   * has other tags than before.
   */
  updateMember(member, offset) {
    this.member = member;
    const tags = Object.entries(member.tags ?? {}).map(([key, value]) => `${key}=${value}`);
    const retagged = tags.length !== this.tags.length || tags.some((tag) => !this.tags.includes(tag));
    if (retagged) {
      this.tags = tags.sort();
    }
    const sameState = this.state === member.state && member.since !== null;
    if (sameState) {
      this.since = member.since - offset;
    }
    return retagged;
  }

  /** The number of cores, or a container's limit of them; null while unknown. */
  get cores() {
    const cores = this.system?.cpuLimit ?? this.system?.cores?.logical;
    return known(cores) ? cores : null;
  }
}

/** The system section of a node's details; null without one, or for something else in its place. */
export function systemOf(detail) {
  const system = detail?.system;
  return typeof system?.os === "string" ? system : null;
}

/** One point of a history: bytes per second, load, and pressure in %; null where there is none. */
function pointOf(history, place) {
  const at = (points) => (Array.isArray(points) && known(points.at(place)) ? points.at(place) : null);
  return {
    recvBytes: at(history.recvBytes),
    sentBytes: at(history.sentBytes),
    readBytes: at(history.readBytes),
    writeBytes: at(history.writeBytes),
    load1: at(history.load1),
    cpuPressure: at(history.cpuPressure),
    memoryPressure: at(history.memoryPressure),
    ioPressure: at(history.ioPressure),
  };
}
