// The range of time that charts show: so many seconds until now, or a stretch that was zoomed to.

import { options, setOptions } from "./options.js";

/** Seconds that agents remember. */
export const WEEK = 604_800;
/** Unix seconds behind which there are no numbers, and soon no dates. */
const LATEST = 1e11;
/** Seconds that the charts show at least. */
const SHORTEST = 10;
/** Up to this many seconds, the charts follow the seconds that the page has itself. */
const LIVE = 3600;
/** Columns of a live chart: each repaint is due when one is complete. */
const COLUMNS = 300;

/** Seconds -> the label of the range. */
export const SPANS = {
  300: "5 min", 900: "15 min", 3600: "1 hour", 21_600: "6 hours", 86_400: "24 hours", [WEEK]: "7 days",
};

/** Whether the charts show a stretch that was zoomed to. An address may have times without sense. */
export function isZoomed() {
  const { from, until } = options;
  return from > 0 && until > from && until - from <= WEEK && until < LATEST;
}

/** Whether the range is of the seconds that the page has itself. */
export function isLive() {
  return !isZoomed() && options.span <= LIVE;
}

/**
 * What is to be shown, as `{ from, until, live }` in Unix seconds by the browser's clock. `end` is the
 * newest moment that there are numbers of; `ahead` is how far the agents' clock is ahead, in s.
 */
export function shown(end, ahead) {
  if (isZoomed()) {
    return { from: options.from - ahead, until: options.until - ahead, live: false };
  }
  const { span } = options;
  const each = span / COLUMNS;
  const until = isLive() ? Math.floor((Math.floor(end) + 1) / each) * each - 1 : Math.floor(end);
  return { from: until - span, until, live: true };
}

/** Show what lies between two moments, both by the browser's clock and none later than `end`. */
export function zoomTo(from, until, end, ahead) {
  const length = Math.min(WEEK, Math.max(SHORTEST, until - from));
  const middle = (from + until) / 2;
  const last = Math.round(Math.min(end, middle + length / 2) + ahead);
  setOptions({ from: Math.round(last - length), until: last });
}

/** Show the newest seconds: so many, or as many as before the zoom. */
export function follow(span = options.span) {
  setOptions({ span, from: 0, until: 0 });
}

/** The next shorter (`factor` < 1) or longer range; null if there is none. */
export function spanBeside(factor) {
  const spans = Object.keys(SPANS).map(Number);
  return spans[spans.indexOf(options.span) + (factor > 1 ? 1 : -1)] ?? null;
}
