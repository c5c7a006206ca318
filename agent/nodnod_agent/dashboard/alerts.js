// The alerts of the cluster: which fire, the worst first, and which are over.

import { count } from "./units.js";

/** Severity -> its sign, as at shares in percent, and its rank (0 is the most severe). */
export const SEVERITIES = {
  critical: { sign: "◆", rank: 0 },
  warning: { sign: "▲", rank: 1 },
};

const CALM = 2; // the rank of a node without alerts
const NONE = [];

export class Alerts {
  constructor() {
    this.forget();
  }

  #text; // of the newest answer, most of which are like the one before
  #critical; // the keys of the critical alerts; null before the first answer

  /** The agent that answers knows of no alerts, as those of earlier versions. */
  forget() {
    this.#take([]);
    this.#text = this.#critical = null;
    this.known = false;
  }

  /** Take an answer; whether the alerts have `changed`, and the critical ones that are `fresh`. */
  update(answer) {
    const text = JSON.stringify(answer.alerts);
    if (text === this.#text) {
      return { changed: false, fresh: NONE };
    }
    const before = this.#critical;
    this.#take(answer.alerts);
    this.#text = text;
    const critical = this.firing.filter((one) => one.severity === "critical" && !one.silenced);
    this.#critical = new Set(critical.map(({ key }) => key));
    this.known = true;
    return { changed: true, fresh: critical.filter(({ key }) => before?.has(key) === false) };
  }

  #take(alerts) {
    const all = withKeys(alerts);
    /** Those that are silenced come behind the others. */
    this.firing = all.filter(({ state }) => state === "firing").sort(worseFirst);
    this.over = all.filter(({ state }) => state !== "firing").sort((a, b) => b.since - a.since);
    this.counts = countsOf(this.firing);
    this.byNode = Map.groupBy(this.firing, ({ node }) => node);
  }

  /** Those of a node that fire; the same array until the next answer. */
  of(name) {
    return this.byNode.get(name) ?? NONE;
  }

  /** How severe the worst of a node is that is not silenced: 0 to 2, the smaller the worse. */
  rankOf(name) {
    const [worst] = this.of(name);
    return worst === undefined || worst.silenced ? CALM : SEVERITIES[worst.severity].rank;
  }
}

/** How many of these are critical, warnings, and silenced; `worst` is the severity of `loud`. */
export function countsOf(alerts) {
  const counts = { critical: 0, warning: 0, silenced: 0 };
  for (const { severity, silenced } of alerts) {
    counts[silenced ? "silenced" : severity] += 1;
  }
  const loud = counts.critical + counts.warning;
  return { ...counts, loud, worst: counts.critical > 0 ? "critical" : loud > 0 ? "warning" : null };
}

/** `2 critical, 1 warning, 1 silenced`; empty for none. */
export function countsText({ critical, warning, silenced }) {
  const texts = [`${critical} critical`, count(warning, "warning"), `${silenced} silenced`];
  return texts.filter((text) => !text.startsWith("0 ")).join(", ");
}

function worseFirst(a, b) {
  const severity = SEVERITIES[a.severity].rank - SEVERITIES[b.severity].rank;
  return a.silenced - b.silenced || severity || b.since - a.since;
}

/** Two nodes may have one name, so that their alerts differ in nothing but their place. */
function withKeys(alerts) {
  const used = new Set();
  return alerts.map((alert) => {
    let key = `${alert.node}\n${alert.rule}\n${alert.object}`;
    while (used.has(key)) {
      key += "\n";
    }
    used.add(key);
    return { ...alert, key };
  });
}
