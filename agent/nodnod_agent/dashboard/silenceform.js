// The form for a silence: which alerts, for how long, and why.

import { el, show, write } from "./dom.js";
import { LONGEST, pattern } from "./route.js";

/** Seconds -> their name. */
const DURATIONS = {
  1800: "30 minutes",
  3600: "1 hour",
  7200: "2 hours",
  28800: "8 hours",
  86400: "1 day",
  604800: "7 days",
  2592000: "30 days",
};
const USUAL = "7200";
const LONGEST_REASON = 300;

export class SilenceForm {
  /** `onsubmit` gets the silence, and a function to call with the text of a refusal. */
  constructor(onsubmit) {
    this.onsubmit = onsubmit;
    this.opener = null;
    this.node = textField("silence-node", LONGEST);
    this.rule = textField("silence-rule", LONGEST);
    this.reason = textField("silence-reason", LONGEST_REASON);
    this.node.required = this.rule.required = true;
    const options = Object.entries(DURATIONS).map(([value, text]) => el("option", { value }, text));
    this.seconds = el("select", { id: "silence-seconds" }, ...options);
    this.fault = el("p", { class: "fault", role: "alert" });
    this.submit = el("button", { type: "submit", class: "main" }, "Silence");
    const cancel = el("button", { type: "button" }, "Cancel");
    cancel.addEventListener("click", () => this.close());
    this.element = el(
      "form",
      { class: "silence-form", "aria-label": "New silence", hidden: true },
      ...labelled("Node", this.node),
      ...labelled("Rule", this.rule),
      ...labelled("For", this.seconds),
      ...labelled("Reason", this.reason),
      el("p", { class: "note" }, "Node and rule may be patterns: web-*, *"),
      this.fault,
      el("p", { class: "buttons" }, this.submit, cancel),
    );
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
  }

  get isOpen() {
    return !this.element.hidden;
  }

  /** Open with a node and a rule; the focus returns to `opener`. */
  open({ node, rule }, opener) {
    this.opener = opener;
    this.node.value = pattern(node);
    this.rule.value = rule;
    this.seconds.value = USUAL;
    this.reason.value = "";
    this.#wait(false, "");
    show(this.element, true);
    this.reason.focus();
    this.element.scrollIntoView({ block: "nearest" });
  }

  /** Close, and give the keyboard focus back. */
  close() {
    if (this.isOpen) {
      const held = this.element.contains(document.activeElement);
      show(this.element, false);
      if (held) {
        const target = this.opener.isConnected && !this.opener.hidden ? this.opener : null;
        (target ?? this.element.parentElement).focus({ preventScroll: true });
      }
    }
  }

  #submit() {
    this.#wait(true, "");
    const silence = {
      node: this.node.value.trim(),
      rule: this.rule.value.trim(),
      seconds: Number(this.seconds.value),
      reason: this.reason.value.trim(),
    };
    this.onsubmit(silence, (text) => this.#wait(false, text));
  }

  #wait(waiting, fault) {
    this.submit.disabled = waiting;
    write(this.fault, fault);
  }
}

function textField(id, most) {
  const attributes = { id, type: "text", autocomplete: "off", spellcheck: "false" };
  return el("input", { ...attributes, maxlength: String(most) });
}

function labelled(text, field) {
  return [el("label", { for: field.id }, text), field];
}
