// How full is too full: the level of a share in percent. The terminal's table has the same.

const HIGH = 75;
const CRITICAL = 90;

/** `ok`, `high` from 75 % on, `critical` from 90 %; `none` where there is no number. */
export function level(percent) {
  if (!Number.isFinite(percent)) {
    return "none";
  }
  return percent >= CRITICAL ? "critical" : percent >= HIGH ? "high" : "ok";
}
