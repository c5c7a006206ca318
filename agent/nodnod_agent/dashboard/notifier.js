// Notifications of this browser: each alert that fires, and its end, where the person wants them.

import { SEVERITIES } from "./alerts.js";
import { sentence } from "./alertline.js";
import { el, show, write } from "./dom.js";
import { linkTo } from "./route.js";
import { count } from "./units.js";

const KEY = "nodnod.notifications";
/** Of more than this at once, one notification tells. */
const MOST = 3;

export class Notifier {
  /** `element` is the switch, with what keeps it from being on. */
  constructor() {
    this.input = el("input", { type: "checkbox", role: "switch", id: "notify" });
    this.reason = el("p", { class: "note", role: "status" });
    const label = el("label", { for: "notify" }, "Notify me in this browser, while the page is open");
    this.element = el("section", { class: "notify" }, el("div", {}, this.input, label), this.reason);
    this.input.addEventListener("change", () => this.#change());
    this.paint();
  }

  #known = null; // the key of each alert that fires -> { told, rank }; null before the first answer
  #fault = "";

  /** Show whether there are notifications; if not, why not. */
  paint() {
    const reason = whyNot() || this.#fault;
    this.input.disabled = whyNot() !== "";
    this.input.checked = reason === "" && isWanted();
    write(this.reason, reason);
    show(this.reason, reason !== "");
  }

  /**
   * Take the alerts of a new answer. Those that fired before the first one are nobody's news, and
   * silenced ones are told of once they are that no more.
   */
  update({ firing, over }) {
    const before = this.#known;
    // An agent that has just started knows some of the alerts only: what it lacks is not over.
    const ended = over.filter(({ key }) => before?.get(key)?.told);
    this.#known = new Map(before);
    over.forEach(({ key }) => this.#known.delete(key));
    const fresh = [];
    for (const alert of firing) {
      const { rank } = SEVERITIES[alert.severity];
      const last = before === null ? { told: false, rank } : before.get(alert.key);
      const isNews = !alert.silenced && (last === undefined || rank < last.rank);
      if (isNews) {
        fresh.push(alert);
      }
      if (!alert.silenced || last !== undefined) {
        this.#known.set(alert.key, { told: isNews || last.told, rank });
      }
    }
    if (isWanted() && whyNot() === "") {
      this.#tell(fresh, "fire", (alert) => `${SEVERITIES[alert.severity].sign} ${nameOf(alert)}`);
      this.#tell(ended, "are over", (alert) => `✓ ${nameOf(alert)} is over`);
    }
  }

  #tell(alerts, verb, title) {
    if (alerts.length > MOST) {
      const nodes = [...new Set(alerts.map(({ node }) => node))].join(", ");
      this.#notify(`${count(alerts.length, "alert")} ${verb}`, { tag: `nodnod ${verb}`, body: nodes }, "#/");
      return;
    }
    for (const alert of alerts) {
      const options = { tag: alert.key, body: sentence(alert) };
      this.#notify(title(alert), options, linkTo(alert.node));
    }
  }

  /** The tag is the same in each tab, so that the browser shows one of them. */
  #notify(title, options, hash) {
    try {
      const notification = new Notification(title, options);
      notification.onclick = () => {
        window.focus();
        location.hash = hash;
        notification.close();
      };
    } catch {
      this.#fault = "This browser shows notifications of installed apps only.";
    }
  }

  async #change() {
    const wanted = this.input.checked;
    this.#fault = "";
    if (wanted && Notification.permission === "default") {
      const answer = await Notification.requestPermission();
      this.#fault = answer === "default" ? "The browser has not been given the permission." : "";
    }
    store(wanted && Notification.permission === "granted");
    this.paint();
  }
}

/** Why there cannot be notifications; an empty string if there can. */
function whyNot() {
  if (!window.isSecureContext) {
    return "Browsers show notifications of pages over https or on localhost only.";
  }
  if (!("Notification" in window)) {
    return "This browser has no notifications.";
  }
  const blocked = "This browser blocks notifications of this page; its settings for the site can allow them.";
  return Notification.permission === "denied" ? blocked : "";
}

const nameOf = ({ node, rule, object }) => [`${node}:`, rule, object].filter(Boolean).join(" ");

function isWanted() {
  try {
    return localStorage.getItem(KEY) === "on" && Notification.permission === "granted";
  } catch {
    return false; // no storage: nobody has switched them on
  }
}

function store(wanted) {
  try {
    localStorage.setItem(KEY, wanted ? "on" : "off");
  } catch {
    // No storage: they stay off.
  }
}
