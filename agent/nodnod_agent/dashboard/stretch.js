// A stretch of a node's past, as an agent has answered it: its tracks.

import { NO_TRACK, cut } from "./track.js";

export class Stretch {
  /** `history` is that of an answer; `ahead` is how far its clock is ahead of the browser's, in s. */
  constructor(history, ahead) {
    this.every = history.every;
    this.end = history.end - ahead;
    this.tracks = new Map(); // field -> its track
    for (const [field, points] of Object.entries(history)) {
      if (Array.isArray(points) && !field.endsWith("Max")) {
        const peaks = history[`${field}Max`];
        this.tracks.set(field, {
          first: this.end - (points.length - 1) * this.every,
          every: this.every,
          means: numbers(points),
          peaks: peaks === undefined ? null : numbers(peaks),
        });
      }
    }
  }

  /** The track of a field between two moments. */
  track(field, from, until) {
    const track = this.tracks.get(field);
    return track === undefined ? NO_TRACK : cut(track, from, until);
  }
}

function numbers(points) {
  return Float32Array.from(points, (value) => value ?? NaN);
}
