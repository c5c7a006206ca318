// The cluster as this page knows it: its nodes, and the totals over them.

import { historyOf } from "./history.js";
import { Node, systemOf } from "./node.js";
import { Sums } from "./sums.js";

export class Cluster {
  constructor() {
    this.host = null; // the name of the agent that answers
    this.nodes = new Map();
    this.left = []; // the rows of members that left on purpose
    this.heard = null; // when the newest answer came, in Unix seconds by the browser's clock
    this.offset = 0; // seconds by which the agent's clock is ahead of the browser's
    this.sums = new Sums();
    this.fills = 0; // how many histories have come
  }

  /** The totals over all nodes. */
  get totals() {
    return this.sums.totals;
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
    this.sums.update([...this.nodes.values()], now);
    return { changed, returned };
  }

  /** Take the newest points of every node's history. */
  updateRecent(answer, now) {
    for (const [node, history] of this.#histories(answer)) {
      node.updateRecent(history, now);
      // The agent's newest sample is at most an interval old: more is a difference of the clocks.
      if (node.name === answer.host && history !== undefined) {
        const ahead = history.end - now;
        this.offset = Math.abs(ahead) > 5 ? ahead : 0;
      }
    }
    this.sums.update([...this.nodes.values()], now);
  }

  /** How many seconds ago a history ended: other agents have kept that of a node that is down. */
  agoOf(history, now) {
    return history.keptBy === undefined ? 0 : Math.max(0, now + this.offset - history.end);
  }

  /** Take the last minutes of some nodes. */
  fillHistory(answer, now) {
    for (const [node, history] of this.#histories(answer)) {
      if (history !== undefined) {
        node.fill(history, now, this.agoOf(history, now));
      }
    }
    this.fills += 1;
    this.sums.fill([...this.nodes.values()], now);
  }

  /** Take the system sections, which change seldom. */
  updateSystems(answer) {
    for (const [name, { detail }] of Object.entries(answer.nodes)) {
      const node = this.nodes.get(name);
      const system = systemOf(detail);
      if (node !== undefined && system !== null) {
        node.system = system;
      }
    }
  }

  /** Take sections that change from tick to tick. */
  updateSections(answer, now) {
    for (const [name, { detail }] of Object.entries(answer.nodes)) {
      if (detail !== undefined) {
        this.nodes.get(name)?.updateSections(detail, now);
      }
    }
  }

  /** Take a members answer; whether any node has other tags than before. */
  updateMembers(answer) {
    let retagged = false;
    for (const member of answer.members) {
      const node = this.nodes.get(member.name);
      retagged = (node?.updateMember(member, this.offset) ?? false) || retagged;
    }
    this.left = answer.members.filter(({ state }) => state === "left");
    return retagged;
  }

  #histories(answer) {
    return Object.entries(answer.nodes)
      .filter(([name]) => this.nodes.has(name))
      .map(([name, node]) => [this.nodes.get(name), historyOf(node)]);
  }
}
