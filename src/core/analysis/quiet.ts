/**
 * How often an arm's errors come, for it to show when they come no longer: errors seen, and looks that had any, as far as they
 * are needed; the most requests between two of them, about; and requests without one since the newest, and looks. A list, because it is stored with every look.
 */
export type Quiet = readonly [errors: number, looks: number, longest: number, since: number, sinceLooks: number];

export const NO_QUIET: Quiet = [0, 0, 0, 0, 0];

/** A history from which silence can be told: an incident of a minute is none. */
const LEAST_ERRORS = 20;
const LEAST_LOOKS = 10;
/** How many times the longest pause ever seen is no pause any more, and looks that it lasts at least. */
const BEYOND_PAUSES = 8;
const QUIET_LOOKS = 2;

export function quietAfter(quiet: Quiet, requests: number, more: number): Quiet {
  const [errors, looks, longest, since, sinceLooks] = quiet;
  if (requests === 0) return quiet;
  if (more === 0) return [errors, looks, longest, since + requests, sinceLooks + 1];
  return [
    Math.min(LEAST_ERRORS, errors + more),
    Math.min(LEAST_LOOKS, looks + 1),
    Math.max(longest, Math.round(since + requests / (more + 1))),
    0,
    0,
  ];
}

/**
 * Errors came steadily, and then not at all, for far longer than they ever paused. A version does not stop failing from one
 * request to the next, but a counter that nobody feeds any more does.
 */
export function isQuiet([errors, looks, longest, since, sinceLooks]: Quiet): boolean {
  return errors >= LEAST_ERRORS && looks >= LEAST_LOOKS && sinceLooks >= QUIET_LOOKS && since >= BEYOND_PAUSES * Math.max(1, longest);
}
