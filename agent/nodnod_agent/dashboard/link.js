// The link: one WebSocket at a time, to whichever agent takes it, and what is asked over it.

import { askForToken, refused, token } from "./token.js";
import { moment } from "./units.js";

/** Milliseconds without a message after which an agent counts as gone, frozen or not. */
const SILENCE = 5000;
const LOOK_EVERY = 500;
/** Milliseconds that an agent has to take the connection. */
const PATIENCE = 3000;
/** Milliseconds between two rounds of trying, doubled each time, then varied by half. */
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 10_000;
/** Milliseconds after which a connection counts as a good one. */
const GOOD = 5000;

const CLOSED = {
  1001: "it is shutting down",
  1006: "the connection broke",
  1008: "it refused what this page asked",
  1013: "it has too many clients",
};

/** How a connection was lost, in words. */
export function lossSaid({ name, at, reason }) {
  return `Lost ${name} at ${moment(at / 1000)}: ${reason}`;
}

export class Link {
  /** `gate` is the element in which a token is asked for; `onchange` hears of every `status`. */
  constructor(places, { gate, onchange, onopen, onrefusal }) {
    this.places = places;
    this.status = { state: "connecting", place: places.home, since: Date.now(), loss: null };
    this.#gate = gate;
    this.#onchange = onchange;
    this.#onopen = onopen;
    this.#onrefusal = onrefusal;
  }

  #gate;
  #onchange;
  #onopen;
  #onrefusal;
  #socket = null;
  #count = 0;
  #streams = new Map(); // id -> request and handler; sent again on each new connection
  #asked = new Map(); // id -> handler; forgotten with the connection
  #wake = () => {};

  /** Connect, and stay connected, for as long as the page is there. */
  async run() {
    addEventListener("online", () => this.#wake());
    for (let pause = 0; ; pause = Math.min(LONGEST_PAUSE, Math.max(FIRST_PAUSE, 2 * pause))) {
      if (await this.#round()) {
        pause = 0;
        continue;
      }
      const wait = Math.max(FIRST_PAUSE, pause) * (0.75 + Math.random() / 2);
      this.#become({ state: "waiting", until: Date.now() + wait });
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

  /** Ask once; `handler` gets the answer, unless there is no connection until then. */
  ask(name, request, handler) {
    const id = this.#name(name);
    if (this.#send({ ...request, id })) {
      this.#asked.set(id, handler);
    }
  }

  /** Ask again and again, on every connection; the result ends that. */
  stream(name, request, handler) {
    const id = this.#name(name);
    const message = { ...request, id };
    this.#streams.set(id, { message, handler });
    this.#send(message);
    return () => {
      this.#streams.delete(id);
      this.#send({ type: 2, id });
    };
  }

  /** Try each place once, and stay with the first that takes us; whether that was good. */
  async #round() {
    for (const place of this.places.inTurn()) {
      this.#become({ state: "connecting", place });
      let socket = await this.#open(place);
      while (socket === null && place.isHome && (await refused())) {
        await askForToken(this.#gate);
        socket = await this.#open(place);
      }
      if (socket !== null) {
        const began = Date.now();
        const reason = await this.#serve(socket, place);
        this.places.lost = place;
        const loss = { name: place.name, at: Date.now(), reason };
        this.#become({ state: "connecting", loss });
        return Date.now() - began > GOOD;
      }
    }
    return false;
  }

  /** The one place where a socket is opened; null where nobody takes it. */
  #open(place) {
    const bearer = token() ? [`nodnod.bearer.${token()}`] : [];
    return new Promise((resolve) => {
      const socket = new WebSocket(place.url, ["nodnod.2", ...bearer]);
      const give = (result) => {
        clearTimeout(timer);
        socket.onopen = socket.onclose = null;
        if (result === null) {
          socket.close();
        }
        resolve(result);
      };
      const timer = setTimeout(() => give(null), PATIENCE);
      socket.onopen = () => give(socket);
      socket.onclose = () => give(null);
    });
  }

  /** Be served until the connection ends; the reason in words. */
  #serve(socket, place) {
    return new Promise((resolve) => {
      let heard = Date.now();
      let looked = heard;
      const end = (reason) => {
        clearInterval(watch);
        socket.onmessage = socket.onclose = null;
        socket.close();
        this.#socket = null;
        this.#asked.clear();
        resolve(reason);
      };
      const watch = setInterval(() => {
        const now = Date.now();
        // A tab that slept has not looked either: what has come meanwhile is read first.
        const slept = now - looked > 4 * LOOK_EVERY;
        looked = now;
        if (slept) {
          heard = now;
        } else if (now - heard > SILENCE) {
          end(`nothing heard from it for ${SILENCE / 1000} s`);
        }
      }, LOOK_EVERY);
      socket.onmessage = ({ data }) => {
        heard = Date.now();
        this.#take(data);
      };
      socket.onclose = ({ code, reason }) =>
        end(reason || (CLOSED[code] ?? `it closed with ${code}`));
      this.#socket = socket;
      this.#become({ state: "open", place });
      for (const { message } of this.#streams.values()) {
        this.#send(message);
      }
      this.#onopen();
    });
  }

  #take(text) {
    const answer = JSON.parse(text);
    const stream = this.#streams.get(answer.id);
    const handler = stream?.handler ?? this.#asked.get(answer.id);
    if (answer.code && answer.code !== "shutting_down" && answer.code !== "no_such_stream") {
      this.#onrefusal(answer.error);
    } else if (handler !== undefined && !answer.code) {
      handler(answer);
    }
    this.#asked.delete(answer.id);
  }

  #send(message) {
    const open = this.#socket?.readyState === WebSocket.OPEN;
    if (open) {
      this.#socket.send(JSON.stringify(message));
    }
    return open;
  }

  #name(name) {
    this.#count += 1;
    return `${name}-${this.#count}`;
  }

  #become(changes) {
    this.status = { ...this.status, since: Date.now(), ...changes };
    this.#onchange(this.status);
  }
}
