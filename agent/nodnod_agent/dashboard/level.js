// The level of a share in percent. The terminal view uses the same thresholds.

const HIGH = 75;
const CRITICAL = 90;

/** `ok`, `high` from 75 %, `critical` from 90 %; `none` if it is no number. */
export function level(percent) {
  if (!Number.isFinite(percent)) {
    return "none";
  }
  return percent >= CRITICAL ? "critical" : percent >= HIGH ? "high" : "ok";
}
