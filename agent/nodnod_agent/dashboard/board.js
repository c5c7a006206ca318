// The charts of some nodes, which all show the same range of time: its requests and its marks.

import { Chart } from "./chart.js";
import { tableOf } from "./charttable.js";
import { Crosshair } from "./crosshair.js";
import { csvText } from "./csv.js";
import { el, show, write } from "./dom.js";
import { download, fileName } from "./download.js";
import { historyOf } from "./history.js";
import { marksIn, marksOf } from "./marks.js";
import { options } from "./options.js";
import { HOUR, Record } from "./record.js";
import { WEEK, follow, isLive, isZoomed, shown, spanBeside, zoomTo } from "./range.js";
import { pictureOf } from "./picture.js";
import { pattern } from "./route.js";
import { Stretch } from "./stretch.js";
import { TimeBar } from "./timebar.js";
import { dated, moment } from "./units.js";

const POINTS = 600; // of an answer
/** Seconds of history that are requested at first in full resolution. */
const RECENT = 300;
/** Seconds between two requests for a range that ends now: a new point is due, or a minute is over. */
const [FASTEST, SLOWEST] = [5, 60];
/** Seconds for which the summaries of a live range stay: numbers that change each second are not read. */
const CALM = 5;
/** Seconds from the last numbers of a node to the event that it is down, at most: that is to be seen. */
const UNNOTICED = 20;
/** Seconds by which two clocks are taken to agree. */
const SKEW = 5;

export class Board {
  /**
   * The charts of the nodes `names`. `plan` returns what they show, as for Chart; it is called with
   * the names and their records. `more` are elements beside the time.
   */
  constructor({ cluster, alerts, connection, repaint, names, plan, more = [] }) {
    Object.assign(this, { cluster, alerts, connection, repaint, plan });
    this.records = new Map();
    this.crosshair = new Crosshair(repaint);
    this.events = new Map(); // id -> event
    this.marks = [];
    this.marksVersion = 0;
    this.alertsSeen = this.offsetSeen = null; // what the marks are of
    this.refused = null; // why the agent does not tell of the range
    this.asked = null; // the newest request for a stretch: its key, its window, and when it was sent
    this.answered = null; // the one that the charts show
    this.drawn = null; // what the charts show now, as text
    this.summarized = null; // what the summaries in the legends are of
    this.end = null; // ends the stream of events
    this.bar = new TimeBar({
      onfollow: (span) => this.#change(() => follow(span)),
      onzoom: (factor) => this.#zoom(factor),
      onmove: (share) => this.#move(share),
      onpoint: (time) => this.crosshair.move(time),
      onsave: () => this.#save(this.charts, "CSV"),
      more,
    });
    this.note = el("p", { class: "note kept" });
    this.setNodes(names);
  }

  /** Show these nodes; those that were there keep what is known of them. */
  setNodes(names) {
    this.names = names;
    this.records = new Map(
      names.map((name) => [name, this.records.get(name) ?? this.#record(name)]),
    );
    this.charts = this.plan(names, this.records).map(
      (chart) =>
        new Chart({
          ...chart,
          crosshair: this.crosshair,
          onzoom: (to) => this.#zoom(to),
          onsave: (one, type) => this.#save([one], type),
        }),
    );
    this.drawn = this.summarized = this.asked = this.answered = null;
  }

  /** Start the stream of events, and request the history. They end with `close`. */
  open() {
    this.#streamEvents();
    this.requestHistory();
  }

  close() {
    this.end?.();
    this.end = null;
  }

  /** Request the last hour, and the last minutes at a finer resolution. */
  requestHistory() {
    this.asked = null;
    for (const history of [HOUR, RECENT]) {
      this.#requestSeconds(this.names, history);
    }
  }

  /** Take an answer of a stream with the nodes of the charts. */
  update(answer) {
    const now = Date.now() / 1000;
    for (const [name, record] of this.records) {
      const node = answer.nodes[name];
      const missing = node === undefined ? 0 : record.update(node, now);
      if (missing > 0) {
        this.#requestSeconds([name], missing);
        this.asked = null;
      }
    }
    this.repaint();
  }

  /** Show the charts as of `now`. */
  paint(now) {
    const { alerts, cluster } = this;
    if (alerts.firing !== this.alertsSeen || cluster.offset !== this.offsetSeen) {
      this.#updateMarks();
    }
    this.#request(now);
    const window = this.#window();
    const versions = [...this.records.values()].map(({ version }) => version).join();
    const data = [window.until - window.from, window.live, versions, this.marksVersion].join(" ");
    const text = `${window.until} ${data}`;
    if (text === this.drawn) {
      // Nothing new in the range: the values at the crosshair, or the newest ones, may be others.
      this.charts.forEach((chart) => chart.read());
      return;
    }
    this.drawn = text;
    const marks = marksIn(this.marks, window.from, window.until);
    const summarize = data !== this.summarized?.data || window.until >= this.summarized.until + CALM;
    if (summarize) {
      this.summarized = { data, until: window.until };
    }
    this.charts.forEach((chart) => chart.draw(window, marks, summarize));
    this.bar.paint(window, marks);
    write(this.note, this.#noteText());
    show(this.note, this.note.textContent !== "");
  }

  #record(name) {
    const record = new Record();
    const node = this.cluster.nodes.get(name);
    if (node !== undefined) {
      record.series.cpuUsed.copy(node.series.cpu); // of a node that is down, nobody else may have it
    }
    return record;
  }

  /** Where the newest range ends; while the only node is down, soon after the end of its past. */
  get #newest() {
    const { cluster, records } = this;
    const [record] = records.values();
    const kept = records.size === 1 ? record.kept : null;
    return kept === null ? cluster.heard : Math.min(cluster.heard, kept.end + UNNOTICED);
  }

  /** What the charts show. A range that ends now stays as it is until its numbers come. */
  #window() {
    const { asked, answered } = this;
    const there = asked === null || answered?.key === asked.key ? answered : asked;
    return isLive() || there === null ? shown(this.#newest, this.cluster.offset) : there.window;
  }

  /** Request the stretch that the charts are to show, unless it is there or under way. */
  #request(now) {
    const { asked, cluster, records } = this;
    if (isLive()) {
      this.asked = this.answered = this.refused = null;
      for (const record of records.values()) {
        if (record.stretch !== null) {
          record.show(null);
        }
      }
      return;
    }
    const kept = [...records.values()].map((one) => one.kept?.end);
    const key = [options.span, options.from, options.until, this.names, kept].join(" ");
    if (asked?.key === key && now - asked.at < this.#pace(asked)) {
      return;
    }
    const window = shown(this.#newest, cluster.offset);
    const length = window.until - window.from;
    const every = Math.ceil(length / POINTS);
    // A little more, so that the line reaches the edges. The agent rounds the end to such steps.
    const until = isZoomed() ? Math.ceil(options.until / every + 1) * every : null;
    const history = Math.min(WEEK, length + (isZoomed() ? 2 * every : 0));
    this.refused = asked?.key === key ? this.refused : null;
    this.asked = { key, window, at: now, until, history };
    this.#requestStretch(this.asked);
  }

  /** Seconds after which to ask for a stretch again. */
  #pace({ window: { from, until }, at }) {
    const over = isZoomed() && until < at - SLOWEST;
    const dead = this.records.size === 1 && [...this.records.values()][0].kept !== null;
    return over || dead ? Infinity : Math.min(SLOWEST, Math.max(FASTEST, (until - from) / POINTS));
  }

  #requestStretch(asked) {
    const { history, until, window } = asked;
    const request = until === null ? { history } : { history, until };
    this.#ask(this.names, request, asked, (name, record, answer, now) => {
      if (until === null || answer.until !== undefined) {
        record.show(new Stretch(answer, this.#aheadOf(answer, asked, now)));
        return;
      }
      record.show(null);
      if (now - window.from > HOUR) {
        // An agent that does not know `until`: all since then, in fewer points.
        const all = { history: Math.min(WEEK, Math.ceil(now - window.from)) };
        this.#ask([name], all, asked, (_, one, whole, then) => {
          one.show(new Stretch(whole, this.#aheadOf(whole, { until: null }, then)));
        });
      }
    });
  }

  /** Ask for a stretch; `take` gets the history of each node that has one, and the time. */
  #ask(names, request, asked, take) {
    const handler = (answer) => {
      if (this.asked?.key !== asked.key) {
        return; // the range is another by now
      }
      const now = Date.now() / 1000;
      this.answered = asked;
      this.refused = null;
      for (const name of names) {
        const history = historyOf(answer.nodes[name]);
        if (history === undefined) {
          this.records.get(name).show(null);
        } else {
          take(name, this.records.get(name), history, now);
        }
      }
      this.repaint();
    };
    const onrefusal = ({ code, error }) => {
      this.refused = code === "no_connection" ? null : error;
      this.drawn = null;
      this.repaint();
    };
    const message = { type: 1, nodes: names.map(pattern), ...request };
    this.connection.request("stretch", message, handler, { onrefusal });
  }

  /** How far the clock of a history is ahead of the browser's; the node's may differ from the agent's. */
  #aheadOf(history, { until }, now) {
    const { offset } = this.cluster;
    if (until === null && history.keptBy !== undefined) {
      return offset;
    }
    const skew = until === null ? history.end - now - offset : history.until - until;
    return offset + (Math.abs(skew) > Math.max(SKEW, history.every) ? skew : 0);
  }

  #requestSeconds(names, history) {
    const request = { type: 1, nodes: names.map(pattern), history };
    this.connection.request("seconds", request, (answer) => {
      const now = Date.now() / 1000;
      for (const name of names) {
        const found = historyOf(answer.nodes[name]);
        if (found !== undefined) {
          this.records.get(name)?.fill(found, now, this.cluster.agoOf(found, now));
        }
      }
      this.repaint();
    });
  }

  #streamEvents() {
    const request = { type: 7, nodes: this.names.map(pattern), every: 2 };
    const take = ({ events, seq }) => {
      if (seq === 0) {
        this.events.clear();
      }
      if (seq === 0 || events.length > 0) {
        events.forEach((event) => this.events.set(event.id, event));
        this.#updateMarks();
        this.repaint();
      }
    };
    // An agent of 2.0 knows no events.
    this.end = this.connection.stream("marks", request, take, { onrefusal: () => {} });
  }

  #updateMarks() {
    const { alerts, cluster, names } = this;
    this.alertsSeen = alerts.firing;
    this.offsetSeen = cluster.offset;
    this.marksVersion += 1;
    const firing = names.flatMap((name) => alerts.of(name));
    const events = [...this.events.values()].filter(({ node }) => names.includes(node));
    this.marks = marksOf(events, firing, cluster.offset);
  }

  #noteText() {
    const kept = [...this.records].filter(([, one]) => one.kept !== null);
    const texts = kept.map(([name, one]) => keptText(this.names.length > 1 ? name : null, one.kept));
    return [...texts, this.refused && `This range cannot be shown: ${this.refused}.`]
      .filter(Boolean)
      .join(" ");
  }

  /** Save what charts show: as a table, or (one of them) as a picture. */
  async #save(charts, type) {
    const { from, until } = this.#window();
    const node = this.names.length === 1 ? this.names[0] : "compare";
    const metric = charts.length === 1 ? [charts[0].title] : [];
    const name = fileName([node, ...metric], until, type.toLowerCase());
    if (type === "CSV") {
      download(csvText(tableOf(charts)), "text/csv", name);
    } else {
      const title = this.names.length === 1 ? `${metric[0]} · ${node}` : metric[0];
      const range = `${dated(from)} – ${dated(until)}`;
      download(await pictureOf(charts[0], title, range), "image/png", name);
    }
  }

  #change(change) {
    change();
    this.drawn = null;
    this.repaint();
  }

  /** Zoom to [from, until], by a factor around the crosshair, or (null) back to the newest range. */
  #zoom(to) {
    if (to === null) {
      this.#change(() => follow());
    } else if (Array.isArray(to)) {
      this.#zoomTo(...to);
    } else if (!isZoomed() && (to > 1 || (this.crosshair.time === null && spanBeside(to) !== null))) {
      this.#change(() => follow(spanBeside(to) ?? options.span));
    } else {
      const { from, until } = this.#window();
      const middle = this.crosshair.time ?? (from + until) / 2;
      this.#zoomTo(middle - (middle - from) * to, middle + (until - middle) * to);
    }
  }

  #move(share) {
    const { from, until } = this.#window();
    const step = share * (until - from);
    this.#zoomTo(from + step, until + step);
  }

  #zoomTo(from, until) {
    const { heard, offset } = this.cluster;
    this.#change(() => zoomTo(from, until, heard, offset));
  }
}

function keptText(name, { end, by }) {
  const whose = name === null ? "The charts end" : `The lines of ${name} end`;
  const who = name === null ? "this node" : "it";
  return `${whose} at ${moment(end)}, when ${by} heard ${who} last. It has kept them since.`;
}
