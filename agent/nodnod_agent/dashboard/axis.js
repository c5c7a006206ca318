// The axes of a chart: the value at its upper edge, and the times below it.

const DAY = 86_400;
const STEPS = [
  ...[1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800],
  ...[3600, 7200, 10_800, 14_400, 21_600, 43_200, DAY, 2 * DAY],
];
/** Labels that have room below a chart, by the length of their text. */
const mostTicks = (step) => (step < 60 || step >= DAY ? 4 : 6);

const SECONDS = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
const MINUTES = new Intl.DateTimeFormat("en-GB", { timeStyle: "short" });
const DATE = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

/** An upper edge for unbounded numbers: 1, 2 or 5 times a power of ten, at least `least`. */
export function roundTop(least) {
  return (largest) => {
    const bound = Math.max(largest, least);
    const power = 10 ** Math.floor(Math.log10(bound));
    return [1, 2, 5, 10].map((step) => step * power).find((edge) => edge >= bound);
  };
}

/** The same for bytes: a power of two. */
export function binaryTop(least) {
  return (largest) => 2 ** Math.ceil(Math.log2(Math.max(largest, least)));
}

/** Round moments between two, of the viewer's time zone, as `{ time, text }`. */
export function timeTicks(from, until) {
  const step = STEPS.find((one) => one * mostTicks(one) >= until - from) ?? STEPS.at(-1);
  const zone = -60 * new Date(from * 1000).getTimezoneOffset();
  const ticks = [];
  for (let local = Math.ceil((from + zone) / step) * step; local - zone <= until; local += step) {
    const format = step < 60 ? SECONDS : local % DAY === 0 ? DATE : MINUTES;
    ticks.push({ time: local - zone, text: format.format(new Date((local - zone) * 1000)) });
  }
  return ticks;
}
