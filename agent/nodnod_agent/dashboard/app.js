// The page: creates its parts, and requests what they show.

import { sentence } from "./alertline.js";
import { AlertPanel } from "./alertpanel.js";
import { Alerts } from "./alerts.js";
import { Bell } from "./bell.js";
import { Cluster } from "./cluster.js";
import { CompareView } from "./compareview.js";
import { Connection } from "./connection.js";
import { mark, show, write } from "./dom.js";
import { Endpoints } from "./endpoints.js";
import { Failover } from "./failover.js";
import { Frame } from "./frame.js";
import { Help } from "./help.js";
import { isField, listen } from "./keys.js";
import { NodeView } from "./nodeview.js";
import { Notice } from "./notice.js";
import { readAddress } from "./options.js";
import { Overview } from "./overview.js";
import { pattern, place } from "./route.js";
import { MAX_GAP } from "./series.js";
import { ShareLink } from "./sharelink.js";
import { STATES } from "./state.js";
import { StatusLine } from "./statusline.js";
import { paintTitle } from "./title.js";
import { signOut, token } from "./token.js";
import { count } from "./units.js";

const MEMBERS_INTERVAL = 3000; // milliseconds
const SYSTEMS_INTERVAL = 60_000;
const AGE_INTERVAL = 250;

const REQUEST_BYTES = 12000; // of names in a request; an agent accepts 16 KiB in all

const main = document.getElementById("main");
const news = document.getElementById("news");
const alertNews = document.getElementById("alert-news");
const bellButton = document.getElementById("bell");
const signOutButton = document.getElementById("sign-out");
const cluster = new Cluster();
const alerts = new Alerts();
const endpoints = new Endpoints(location);
const statusLine = new StatusLine(document.getElementById("status-line"));
const notice = new Notice(document.getElementById("notice"), () => connection.retry());
const failover = new Failover(document.getElementById("failover"));
const frame = new Frame(paint);
const repaint = () => frame.request();
const connection = new Connection(endpoints, {
  container: main,
  onchange,
  onopen,
  onrefusal: ({ error }) => notice.refused(error),
});
const overview = new Overview({ cluster, alerts, connection, repaint });
const alertPanel = new AlertPanel(document.getElementById("alerts"), bellButton, {
  alerts,
  cluster,
  connection,
  repaint,
});
const link = document.getElementById("link");
const shareLink = new ShareLink(link, news, () => connection.status.endpoint);
const bell = new Bell(bellButton, () => alertPanel.toggle());
const help = new Help(document.getElementById("help"), document.getElementById("keys"));
let view = overview;
let behind = true; // whether the history is still to be requested

const now = () => Date.now() / 1000;

function paint() {
  view.paint(now());
  alertPanel.paint(now());
  bell.paint(alerts, alertPanel.isOpen);
  paintTitle(cluster.totals.states, alerts.counts, view === overview ? null : view.name);
}

function paintAge() {
  statusLine.paint(connection.status, cluster.heard, now());
  const { state, loss } = connection.status;
  const lost = state === "waiting" || (state === "connecting" && loss !== null);
  mark(document.body, "data-connection", lost ? "lost" : state);
}

function onchange(status) {
  const { state, loss, endpoint } = status;
  show(signOutButton, state === "open" && token() !== "");
  if (state === "open") {
    if (!view.element.isConnected) {
      main.replaceChildren(view.element); // the form for a token stood in its place
    }
    if (loss === null || loss.name === endpoint.name) {
      notice.clear();
    } else {
      notice.moved(loss, endpoint);
    }
  } else if (loss !== null || state === "waiting") {
    notice.lost(status, cluster.heard, endpoints.pages());
  }
  paintAge();
}

function onopen() {
  behind = true;
  requestMembers();
  view.requestHistory?.();
}

function requestMembers() {
  connection.request("members", { type: 3 }, (answer) => {
    if (connection.status.state === "open") {
      endpoints.update(answer.members, connection.status.endpoint);
      if (connection.status.endpoint.isHome) {
        failover.probe(endpoints.up());
      }
    }
    if (cluster.updateMembers(answer)) {
      overview.update(); // groups and filters may be by tags, which the stats do not have
    }
  });
}

/** Request what no stream brings, of these nodes or all: the system section and the history. */
function requestHistory(names = null) {
  const nodes = names === null ? {} : { nodes: fitting(names.slice(0, 200).map(pattern)) };
  const request = { type: 1, detail: ["system"], history: 300, ...nodes };
  connection.request("history", request, (answer) => {
    cluster.updateSystems(answer);
    cluster.fillHistory(answer, now());
    frame.request();
  });
}

/** As many of these as an agent accepts in one request; their nodes begin with a shorter line. */
function fitting(patterns) {
  const size = (list) => new TextEncoder().encode(JSON.stringify(list)).length;
  let count = patterns.length;
  while (size(patterns.slice(0, count)) > REQUEST_BYTES) {
    count -= 1;
  }
  return patterns.slice(0, count);
}

/** Request the system sections again: cores, limits and the clock of a machine may change. */
function requestSystems() {
  connection.request("systems", { type: 1, detail: ["system"] }, (answer) => {
    cluster.updateSystems(answer);
    frame.request();
  });
}

function onstats(answer) {
  behind ||= cluster.heard !== null && now() - cluster.heard > MAX_GAP;
  const { changed, returned } = cluster.updateStats(answer, now());
  if (behind) {
    behind = false;
    requestHistory();
  } else if (returned.length > 0) {
    requestHistory(returned.map(({ name }) => name));
  }
  if (changed.length > 0 || returned.length > 0) {
    requestMembers(); // the members answer has the time of the change
  }
  if (changed.length > 0) {
    const texts = changed.map(({ name, state }) => `${name}: ${STATES[state].word.toLowerCase()}`);
    write(news, texts.length > 5 ? `${count(texts.length, "node")} changed` : texts.join(", "));
  }
  frame.request();
}

function onevents(answer) {
  overview.events.update(answer, cluster.offset);
}

function onalerts(answer) {
  const { changed, fresh } = alerts.update(answer);
  if (fresh.length > 0) {
    const texts = fresh.map((alert) => `${alert.node}: ${sentence(alert)}`);
    const many = count(fresh.length, "new critical alert");
    write(alertNews, texts.length > 3 ? many : `Critical: ${texts.join("; ")}`);
  }
  alertPanel.update();
  if (changed) {
    frame.request();
  }
}

/** An agent of an earlier version knows of no alerts, which is no fault to tell of. */
function onalertsRefused({ code, error }) {
  if (code !== "unknown_type") {
    notice.refused(error);
  }
  alerts.forget();
  alertPanel.update();
  frame.request();
}

function navigate() {
  readAddress();
  const { page, name } = place();
  alertPanel.follow();
  overview.events.follow();
  overview.update();
  if (view.page === page && (page === "compare" || name === view.name)) {
    view.update();
    return;
  }
  const previous = view;
  previous.close?.();
  view = viewOf(page, name);
  view.open?.();
  if (main.querySelector(".token-form") === null) {
    main.replaceChildren(view.element); // else it comes with the connection
  }
  paint();
  if (previous !== view) {
    // The overview keeps its scroll position; a node's view begins at its top.
    const target = view === overview ? overview.linkOf(previous.name) : view.title;
    target?.focus({ preventScroll: view !== overview });
    if (view !== overview) {
      scrollTo(0, 0);
    }
  }
}

function viewOf(page, name) {
  const { onsilence } = alertPanel;
  const shared = { cluster, alerts, connection, repaint };
  const views = {
    overview: () => overview,
    compare: () => new CompareView(shared),
    node: () => new NodeView({ ...shared, name, onsilence }),
  };
  return views[page]();
}

/** Leave a field, close what was opened last, or go back to the overview. */
function back({ target }) {
  if (isField(target) && !alertPanel.element.contains(target)) {
    target.blur();
    return true; // else the browser would empty a field for searches, and tell nobody
  }
  if (alertPanel.isOpen) {
    alertPanel.back();
  } else if (view !== overview) {
    location.hash = "#/";
  }
  return true;
}

function skip(event) {
  event.preventDefault(); // the address is that of a view
  main.focus();
}

addEventListener("hashchange", navigate);
signOutButton.addEventListener("click", () => signOut(connection.status));
document.querySelector(".skip").addEventListener("click", skip);
listen(window, "everywhere", {
  help: () => help.open(),
  alerts: () => alerts.known && alertPanel.toggle(),
  link: () => shareLink.copy(),
  back,
});
listen(window, "node", { find: () => view.find?.focus() });
listen(window, "overview", { filter: () => overview.filter.focus() });
navigate();
setInterval(paintAge, AGE_INTERVAL);
setInterval(requestMembers, MEMBERS_INTERVAL);
setInterval(requestSystems, SYSTEMS_INTERVAL);
connection.stream("stats", { type: 1, every: 1 }, onstats);
connection.stream("traffic", { type: 1, history: 2, every: 2 }, (answer) => {
  cluster.updateRecent(answer, now());
});
// An agent of 2.0 knows no events: its refusal is none that a reader could do anything about.
const known = { onrefusal: () => overview.events.update({ events: [], seq: 0 }) };
connection.stream("events", { type: 7, every: 2 }, onevents, known);
connection.stream("alerts", { type: 5, every: 2 }, onalerts, { onrefusal: onalertsRefused });
connection.run();
