// The connection: one WebSocket at a time, to any agent that accepts it, with its requests.

import { openSocket } from "./socket.js";
import { askForToken, refused } from "./token.js";
import { moment } from "./units.js";

/** Milliseconds without a message after which the agent counts as lost. */
const SILENCE_TIMEOUT = 5000;
const CHECK_INTERVAL = 500;
/** Milliseconds between two rounds of attempts: doubled each time, then varied by a quarter. */
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 10_000;
/** Milliseconds of service after which the next round begins without a pause. */
const STABLE_AFTER = 5000;

const NO_CONNECTION = { code: "no_connection", error: "there is no connection to an agent" };

const CLOSE_REASONS = {
  1001: "it is shutting down",
  1006: "the connection broke",
  1008: "it refused what this page asked",
  1013: "it has too many clients",
};

/** How a connection was lost, as a sentence. */
export function lossText({ name, at, reason }) {
  return `Lost ${name} at ${moment(at / 1000)}: ${reason}`;
}

export class Connection {
  /**
   * The form for a token opens in `container`; `onchange` is called with each new `status`,
   * `onrefusal` with a refusal that its request has no function of its own for.
   */
  constructor(endpoints, { container, onchange, onopen, onrefusal }) {
    this.endpoints = endpoints;
    this.status = { state: "connecting", endpoint: endpoints.home, loss: null };
    this.#container = container;
    this.#onchange = onchange;
    this.#onopen = onopen;
    this.#onrefusal = onrefusal;
  }

  #container;
  #onchange;
  #onopen;
  #onrefusal;
  #socket = null;
  #count = 0;
  #streams = new Map(); // id -> message and handlers; sent again on each new connection
  #pending = new Map(); // id -> handlers; dropped when the connection ends
  #wake = () => {};
  #leave = () => {}; // ends the round, since the page is left
  #redial = () => {}; // ends an attempt, since the browser is online again

  /** Connect, and reconnect for as long as the page is open. */
  async run() {
    let pause = 0;
    addEventListener("online", () => {
      pause = 0;
      this.#redial();
      this.#wake();
    });
    addEventListener("offline", () => this.#setStatus({}));
    // The browser keeps a page that is left, and shows it again on the way back.
    addEventListener("pagehide", () => this.#leave());
    for (; ; pause = Math.min(LONGEST_PAUSE, Math.max(FIRST_PAUSE, 2 * pause))) {
      const left = new AbortController();
      let back = null;
      this.#leave = () => {
        back = shown();
        left.abort();
      };
      const dial = new AbortController();
      this.#redial = () => this.status.state !== "open" && dial.abort();
      const stable = await this.#round(left.signal, dial.signal);
      await back;
      if (stable || left.signal.aborted || dial.signal.aborted) {
        pause = 0;
        continue;
      }
      const wait = Math.max(FIRST_PAUSE, pause) * (0.75 + Math.random() / 2);
      this.#setStatus({ state: "waiting" });
      await new Promise((resolve) => {
        this.#wake = resolve;
        setTimeout(resolve, wait);
      });
    }
  }

  /** Try again now. */
  retry() {
    this.#wake();
  }

  /**
   * Ask once; `handler` gets the answer, unless the connection ends before. `onrefusal` is called
   * instead of the page's with an answer that has a `code`; with `no_connection` if none comes.
   */
  request(name, request, handler, { onrefusal } = {}) {
    const id = this.#nextId(name);
    if (this.#send({ ...request, id })) {
      this.#pending.set(id, { handler, onrefusal });
    } else {
      onrefusal?.(NO_CONNECTION);
    }
  }

  /**
   * Subscribe, on every connection; the function returned ends the subscription. `onrefusal` is
   * called instead of the page's where the agent refuses this stream.
   */
  stream(name, request, handler, { onrefusal } = {}) {
    const id = this.#nextId(name);
    const message = { ...request, id };
    this.#streams.set(id, { message, handler, onrefusal });
    this.#send(message);
    return () => {
      this.#streams.delete(id);
      this.#send({ type: 2, id });
    };
  }

  /**
   * Try each endpoint once and stay with the first that accepts; whether it stayed stable. When the
   * page is left, `left` is aborted: that is no loss, and the next round begins with the same agent.
   * `dial` is aborted where another round has a better chance.
   */
  async #round(left, dial) {
    const ended = AbortSignal.any([left, dial]);
    const candidates = this.endpoints.candidates();
    this.endpoints.first = null;
    for (const endpoint of candidates) {
      this.#setStatus({ state: "connecting", endpoint });
      let { socket } = await openSocket(endpoint, ended);
      while (!socket && !ended.aborted && endpoint.isHome && (await refused())) {
        await askForToken(this.#container);
        ({ socket } = await openSocket(endpoint, ended));
      }
      if (ended.aborted) {
        socket?.close();
        return false;
      }
      if (socket) {
        const opened = Date.now();
        const reason = await this.#serve(socket, endpoint, left);
        if (left.aborted) {
          this.endpoints.first = endpoint;
          return false;
        }
        this.endpoints.lost = endpoint;
        const loss = { name: endpoint.name, at: Date.now(), reason };
        this.#setStatus({ state: "connecting", loss });
        return Date.now() - opened > STABLE_AFTER;
      }
    }
    return false;
  }

  /** Use a socket until its connection ends; the reason, as text. */
  #serve(socket, endpoint, left) {
    return new Promise((resolve) => {
      let heard = Date.now();
      let checked = heard;
      const end = (reason) => {
        clearInterval(watchdog);
        socket.onmessage = socket.onclose = null;
        socket.close();
        this.#socket = null;
        const unanswered = [...this.#pending.values()];
        this.#pending.clear();
        unanswered.forEach(({ onrefusal }) => onrefusal?.(NO_CONNECTION));
        resolve(reason);
      };
      const watchdog = setInterval(() => {
        const now = Date.now();
        // A suspended tab has run no check either: messages that came meanwhile are read first.
        const suspended = now - checked > 4 * CHECK_INTERVAL;
        checked = now;
        if (suspended) {
          heard = now;
        } else if (now - heard > SILENCE_TIMEOUT) {
          end(`nothing heard from it for ${SILENCE_TIMEOUT / 1000} s`);
        }
      }, CHECK_INTERVAL);
      socket.onmessage = ({ data }) => {
        heard = Date.now();
        this.#receive(data);
      };
      socket.onclose = ({ code, reason }) =>
        end(reason || (CLOSE_REASONS[code] ?? `it closed with ${code}`));
      left.addEventListener("abort", () => end(""));
      this.#socket = socket;
      this.#setStatus({ state: "open", endpoint });
      for (const { message } of this.#streams.values()) {
        this.#send(message);
      }
      this.#onopen();
    });
  }

  #receive(text) {
    const answer = JSON.parse(text);
    if (answer.code === "shutting_down" || answer.code === "no_such_stream") {
      return; // the end of the connection comes next, or that of the stream was asked for
    }
    const asked = this.#streams.get(answer.id) ?? this.#pending.get(answer.id);
    this.#pending.delete(answer.id);
    if (answer.code) {
      (asked?.onrefusal ?? this.#onrefusal)(answer);
    } else {
      asked?.handler(answer);
    }
  }

  #send(message) {
    const open = this.#socket?.readyState === WebSocket.OPEN;
    if (open) {
      this.#socket.send(JSON.stringify(message));
    }
    return open;
  }

  #nextId(name) {
    this.#count += 1;
    return `${name}-${this.#count}`;
  }

  #setStatus(changes) {
    this.status = { ...this.status, ...changes };
    this.#onchange(this.status);
  }
}

/** Resolves when a page that was left is shown again. */
function shown() {
  return new Promise((resolve) => addEventListener("pageshow", resolve, { once: true }));
}
