// What the page knows of one node's past: its last hour, second by second, and the stretch of time
// that was requested for the charts.

import { historyOf } from "./history.js";
import { MAX_GAP, Series } from "./series.js";
import { Stretch } from "./stretch.js";
import { NO_TRACK } from "./track.js";

export const HOUR = 3600;

/** The fields of a history that charts show. */
const FIELDS = [
  ...["cpuUsed", "cpuUser", "cpuSystem", "cpuSteal", "cpuIowait", "memoryUsedPercent"],
  ...["recvBytes", "sentBytes", "load1", "readBytes", "writeBytes"],
];
/** Those of which agents tell the highest samples too. */
const WITH_PEAKS = ["cpuUsed", "memoryUsedPercent", "recvBytes", "sentBytes"];

/** A stacked device counts the I/O of the disks below it again. */
const STACKED = /^(dm-|md)\d/;

/** Seconds without an answer after which to ask what others have kept of a node that is down. */
const LONG_GAP = 60;

/** Points of a line in a chart, at most. */
const POINTS = 300;

export class Record {
  constructor() {
    this.series = Object.fromEntries(
      FIELDS.map((field) => [field, new Series(HOUR, { peaks: WITH_PEAKS.includes(field) })]),
    );
    this.stretch = null; // what was requested, or null while the seconds do
    this.kept = null; // while the node is down: when its past ends, and who has kept it
    this.heard = null; // when the stream has last told of it
    this.version = 0; // how often something else than a new second has come
  }

  /**
   * Take the node's object of a stream. Returns the seconds of history that are to be requested: 0,
   * or what is missing since the page last heard of it, or all since it is back.
   */
  update(node, now) {
    const gap = this.heard === null ? 0 : now - this.heard;
    const back = this.kept !== null && node.error === "";
    this.heard = now;
    if (back) {
      this.kept = null;
    }
    if (this.kept === null) {
      this.#put(node, now);
    }
    // Of a node that is down, others know less than the page, unless that has been away for long.
    const missed = gap > (node.error === "" ? MAX_GAP : LONG_GAP);
    return back ? HOUR : missed ? Math.min(HOUR, Math.ceil(gap) + 10) : 0;
  }

  /** Take a history that reaches until `now`, or until other agents have heard of the node. */
  fill(history, now, ago) {
    this.version += 1;
    if (history.keptBy !== undefined && this.kept === null) {
      Object.values(this.series).forEach((series) => series.reset());
      this.kept = { end: now - ago, by: history.keptBy };
    }
    this.#fill(history, this.kept?.end ?? now);
  }

  /** Show this stretch, or for null the seconds. */
  show(stretch) {
    this.stretch = stretch;
    this.version += 1;
  }

  /** The track of a field between two moments. */
  track(field, { from, until }) {
    return (
      this.stretch?.track(field, from, until) ??
      this.series[field]?.track(from, until, POINTS) ??
      NO_TRACK
    );
  }

  /** The newest value of a field. */
  latest(field) {
    return this.series[field].last();
  }

  #put(node, now) {
    const { error, detail, cpuUsed, memoryUsedPercent } = node;
    const history = historyOf(node);
    if (history !== undefined) {
      this.#fill(history, now);
    }
    if (detail === undefined && history === undefined) {
      // A node without details may still report CPU and memory.
      this.series.cpuUsed.put(now, error === "" ? cpuUsed : NaN);
      this.series.memoryUsedPercent.put(now, error === "" ? memoryUsedPercent : NaN);
    }
    // Agents of earlier versions do not remember these.
    if (detail !== undefined && history?.readBytes === undefined) {
      this.#putDisks(detail.diskio ?? {}, now);
    }
    if (detail?.cpu && history?.cpuUser === undefined) {
      this.#putShares(detail.cpu, now);
    }
  }

  #putDisks(diskio, now) {
    const disks = Object.entries(diskio);
    const physical = disks.filter(([name]) => !STACKED.test(name)).map(([, disk]) => disk);
    const sum = (field) => physical.reduce((total, disk) => total + (disk?.[field] ?? 0), 0);
    this.series.readBytes.put(now, sum("readBytes"));
    this.series.writeBytes.put(now, sum("writeBytes"));
  }

  #putShares({ user, system, iowait, steal }, now) {
    const shares = { cpuUser: user, cpuSystem: system, cpuIowait: iowait, cpuSteal: steal };
    for (const [field, share] of Object.entries(shares)) {
      this.series[field].put(now, share ?? NaN);
    }
  }

  #fill(history, end) {
    for (const [field, series] of Object.entries(this.series)) {
      if (Array.isArray(history[field])) {
        series.fill(end, history.every, history[field], 0, history[`${field}Max`]);
      }
    }
  }
}
