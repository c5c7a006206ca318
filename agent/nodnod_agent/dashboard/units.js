// Numbers as text: with a unit and three digits; a dash for no number.

const SIZES = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
const NONE = "–";
const GAP = "\u00a0"; // no line breaks between a number and its unit

const CLOCK = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
const DAY = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });
const SPANS = [
  [86400, "d"],
  [3600, "h"],
  [60, "min"],
  [1, "s"],
];

/** Whether a value is a finite number. */
export function known(value) {
  return typeof value === "number" && Number.isFinite(value);
}

/** `5699850240` is `5.31 GiB`: powers of 1024. */
export function bytes(value) {
  if (!known(value)) {
    return NONE;
  }
  let unit = 0;
  let scaled = Math.max(0, value);
  while (scaled >= 999.5 && unit < SIZES.length - 1) {
    scaled /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? scaled.toFixed(0) : digits(scaled)}${GAP}${SIZES[unit]}`;
}

/** A part of a whole, in the unit of the whole: `5.31 of 8.00 GiB`. */
export function partOf(part, whole) {
  if (!known(part) || !known(whole) || whole <= 0) {
    return NONE;
  }
  const [, unit] = bytes(whole).split(GAP);
  const scale = 1024 ** SIZES.indexOf(unit);
  return `${digits(part / scale)} of ${digits(whole / scale)}${GAP}${unit}`;
}

/** Bytes per second. */
export function rate(value) {
  return known(value) ? `${bytes(value)}/s` : NONE;
}

/** `26.74` is `26.7 %`. */
export function percent(value) {
  return known(value) ? `${value.toFixed(1)}${GAP}%` : NONE;
}

/** A plain number in about three digits. */
export function number(value) {
  return known(value) ? digits(value) : NONE;
}

/** A number as it is, in at most ten digits: `0.125`, `1.5e+300`. */
export function exact(value) {
  return known(value) ? String(Number(value.toPrecision(10))) : NONE;
}

/** A number per second. */
export function perSecond(value) {
  return known(value) ? `${digits(value)}/s` : NONE;
}

/** `3725` is `1 h 2 min`: the two largest parts. */
export function duration(seconds) {
  if (!known(seconds)) {
    return NONE;
  }
  let rest = Math.max(0, Math.floor(seconds));
  const parts = [];
  for (const [size, unit] of SPANS) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0 || (parts.length === 0 && size === 1)) {
      parts.push(`${count}${GAP}${unit}`);
    } else if (parts.length > 0) {
      break;
    }
  }
  return parts.slice(0, 2).join(" ");
}

/** A moment in Unix seconds as the time of day; with the date if that is not today. */
export function moment(unix) {
  if (!hasDate(unix)) {
    return NONE;
  }
  const date = new Date(unix * 1000);
  const today = date.toDateString() === new Date().toDateString();
  return (today ? CLOCK : DAY).format(date);
}

/** The same, always with the date: for what is kept. */
export function dated(unix) {
  return hasDate(unix) ? DAY.format(new Date(unix * 1000)) : NONE;
}

/** Whether it is a number for which there is a date: Intl throws at others. */
function hasDate(unix) {
  return known(unix) && Math.abs(unix) <= 8.64e12;
}

/** A whole number. */
export function whole(value) {
  return known(value) ? String(value) : NONE;
}

/** `1 node`, `2 nodes`. */
export function count(many, noun) {
  return `${many} ${noun}${many === 1 ? "" : "s"}`;
}

function digits(value) {
  const size = Math.abs(value);
  if (size >= 1e9) {
    return value.toPrecision(3);
  }
  return value.toFixed(size >= 99.95 || size === 0 ? 0 : size >= 9.995 ? 1 : 2);
}
