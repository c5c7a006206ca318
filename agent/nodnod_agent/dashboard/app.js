// The page: puts its parts together, and asks the cluster for what is looked at.

import { Cluster } from "./cluster.js";
import { mark, write } from "./dom.js";
import { Frame } from "./frame.js";
import { Link } from "./link.js";
import { NodeView } from "./nodeview.js";
import { Notice } from "./notice.js";
import { Overview } from "./overview.js";
import { Places } from "./places.js";
import { nodeInAddress, pattern } from "./route.js";
import { Served } from "./served.js";
import { STATES } from "./state.js";
import { count } from "./units.js";

const MEMBERS_EVERY = 3000; // milliseconds
const AGE_EVERY = 250;

const main = document.getElementById("main");
const news = document.getElementById("news");
const cluster = new Cluster();
const places = new Places(location);
const served = new Served(document.getElementById("served"));
const notice = new Notice(document.getElementById("notice"), () => link.retry());
const frame = new Frame(paint);
const overview = new Overview(cluster, () => frame.request());
const link = new Link(places, {
  gate: main,
  onchange,
  onopen,
  onrefusal: (error) => notice.refused(error),
});
let view = overview;
let behind = true; // whether the past is still to be asked for

const now = () => Date.now() / 1000;

function paint() {
  view.paint(now());
  const { down, error, stale } = cluster.totals.states;
  const faults = [[down, "down"], [error, "with errors"], [stale, "stale"]];
  const wrong = faults
    .filter(([many]) => many > 0)
    .map(([many, word]) => `${many} ${word}`)
    .join(", ");
  const where = view === overview ? "NodNod" : `${view.name} · NodNod`;
  const title = wrong ? `(${wrong}) ${where}` : where;
  if (document.title !== title) {
    document.title = title;
  }
}

function paintAge() {
  served.paint(link.status, cluster.heard, now());
  const { state, loss } = link.status;
  const lost = state === "waiting" || (state === "connecting" && loss !== null);
  mark(document.body, "data-link", lost ? "lost" : state);
}

function onchange(status) {
  const { state, loss, place } = status;
  if (state === "open") {
    if (!view.element.isConnected) {
      main.replaceChildren(view.element); // a token was asked for in its place
    }
    if (loss === null || loss.name === place.name) {
      notice.clear();
    } else {
      notice.moved(loss, place);
    }
  } else if (loss !== null || state === "waiting") {
    notice.lost(status, cluster.heard, places.pages());
  }
  paintAge();
}

function onopen() {
  behind = true;
  askMembers();
  view.ask?.();
}

function askMembers() {
  link.ask("members", { type: 3 }, (answer) => {
    if (link.status.state === "open") {
      places.learn(answer.members, link.status.place);
    }
    cluster.roll(answer);
  });
}

/** Ask for what streams do not bring: what nodes (these, or all) are, and their last minutes. */
function catchUp(names = null) {
  const nodes = names === null ? {} : { nodes: names.slice(0, 200).map(pattern) };
  link.ask("past", { type: 1, detail: ["system"], history: 300, ...nodes }, (answer) => {
    cluster.facts(answer);
    cluster.past(answer, now(), names === null);
    frame.request();
  });
}

function live(answer) {
  const { changed, missed } = cluster.live(answer, now());
  if (behind) {
    behind = false;
    catchUp();
  } else if (missed.length > 0) {
    catchUp(missed.map(({ name }) => name));
  }
  if (changed.length > 0 || missed.length > 0) {
    askMembers(); // they know since when
  }
  if (changed.length > 0) {
    const said = changed.map(({ name, state }) => `${name}: ${STATES[state].word.toLowerCase()}`);
    write(news, said.length > 5 ? `${count(said.length, "node")} changed` : said.join(", "));
  }
  frame.request();
}

function go() {
  const name = nodeInAddress();
  if (view !== overview && name === view.name) {
    return;
  }
  const before = view;
  before.leave?.();
  view = name === null ? overview : new NodeView(cluster, name, link, () => frame.request());
  view.enter?.();
  main.replaceChildren(view.element);
  paint();
  if (before !== view) {
    // Back in the overview, one is where one was; in a node, at its top.
    const target = view === overview ? overview.linkOf(before.name) : view.title;
    target?.focus({ preventScroll: view !== overview });
    if (view !== overview) {
      scrollTo(0, 0);
    }
  }
}

function onkey(event) {
  const typing = event.target instanceof HTMLInputElement;
  if (event.key === "/" && !typing && view === overview) {
    event.preventDefault();
    overview.filter.focus();
  } else if (event.key === "Escape" && typing && event.target === overview.filter) {
    event.target.blur();
  } else if (event.key === "Escape" && !typing && view !== overview) {
    location.hash = "#/";
  }
}

addEventListener("hashchange", go);
addEventListener("keydown", onkey);
go();
setInterval(paintAge, AGE_EVERY);
setInterval(askMembers, MEMBERS_EVERY);
link.stream("live", { type: 1, every: 1 }, live);
link.stream("flow", { type: 1, history: 2, every: 2 }, (answer) => cluster.flow(answer, now()));
link.run();
