/** When an environment may be deployed to. */
export interface DeploymentWindow {
  /** IANA name, such as `Europe/Berlin`. */
  readonly timeZone: string;
  /** Empty: always, but for the freezes. */
  readonly open: readonly Opening[];
  readonly freezes: readonly Freeze[];
  /** Longest wait for it to open, ms. */
  readonly waitMs: number;
}

export interface Opening {
  /** Days on which it begins. */
  readonly days: readonly Weekday[];
  /** Minutes after local midnight. */
  readonly from: number;
  /** Not later than 1440; at or before `from`: on the next day. */
  readonly to: number;
}

/** No deploys from then until then, ms since epoch. */
export interface Freeze {
  readonly from: number;
  readonly to: number;
  readonly reason: string;
}

export const WEEKDAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
export type Weekday = (typeof WEEKDAYS)[number];

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
/** Every weekday comes again within this many days, and once more for a time that the clocks skip. */
const DAYS_AHEAD = 16;

/** Why it is closed at that moment, one phrase; null: open. */
export function closedBecause(window: DeploymentWindow, at: number): string | null {
  const freeze = window.freezes.find(({ from, to }) => from <= at && at < to);
  if (freeze !== undefined) return `frozen: ${freeze.reason}`;
  return isWithinOpening(window, at) ? null : 'outside the deployment window';
}

/** The first moment from `at` on at which it is open, ms since epoch; null: not within `withinMs` (`waitMs`). */
export function opensAt(window: DeploymentWindow, at: number, withinMs: number = window.waitMs): number | null {
  if (closedBecause(window, at) === null) return at;
  const thaws = window.freezes.map(({ to }) => to).filter((to) => to > at);
  const moments = [...thaws, ...[at, ...thaws].flatMap((from) => changesAfter(window, from))];
  const open = moments.filter((moment) => moment > at && moment <= at + withinMs && closedBecause(window, moment) === null);
  return open.length === 0 ? null : Math.min(...open);
}

/** Far enough for any opening that there is: for people, who want to know when it opens even where a release would not wait. */
const YEAR_MS = 366 * DAY_MS;

/** Why it is closed and when it opens, for people; null: open. */
export function closedText(window: DeploymentWindow, at: number): string | null {
  const closed = closedBecause(window, at);
  if (closed === null) return null;
  const opens = opensAt(window, at, YEAR_MS);
  return opens === null ? `${closed}, for longer than a year` : `${closed}; it opens ${localText(opens, window.timeZone)}`;
}

/** `Mon 2026-01-05 09:00 Europe/Berlin` */
function localText(at: number, timeZone: string): string {
  const { date, day, minutes } = localOf(at, timeZone);
  const time = [Math.floor(minutes / 60), minutes % 60].map((part) => String(part).padStart(2, '0')).join(':');
  return `${day.slice(0, 1).toUpperCase()}${day.slice(1)} ${date} ${time} ${timeZone}`;
}

/** Moments at which it may open: the openings, and wherever the clocks are changed. */
function changesAfter({ open, timeZone }: DeploymentWindow, from: number): number[] {
  const moments: number[] = [];
  if (open.length === 0) return moments;
  for (let ahead = -1; ahead <= DAYS_AHEAD; ahead += 1) {
    const near = from + ahead * DAY_MS;
    const { date, day } = localOf(near, timeZone);
    for (const opening of open) if (opening.days.includes(day)) moments.push(...instantsOf(date, opening.from, timeZone));
    if (offsetAt(near, timeZone) !== offsetAt(near + DAY_MS, timeZone)) moments.push(clockChange(near, near + DAY_MS, timeZone));
  }
  return moments;
}

/** The first moment of the new offset between two that differ. */
function clockChange(before: number, after: number, timeZone: string): number {
  let [low, high] = [Math.floor(before / MINUTE_MS), Math.floor(after / MINUTE_MS)];
  const old = offsetAt(before, timeZone);
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (offsetAt(middle * MINUTE_MS, timeZone) === old) low = middle;
    else high = middle;
  }
  return high * MINUTE_MS;
}

interface Local {
  /** `2026-01-31` */
  readonly date: string;
  readonly day: Weekday;
  /** After midnight, as the clock on the wall shows it. */
  readonly minutes: number;
}

function isWithinOpening({ open, timeZone }: DeploymentWindow, at: number): boolean {
  if (open.length === 0) return true;
  const local = localOf(at, timeZone);
  return open.some((opening) => isWithin(opening, local));
}

function isWithin({ days, from, to }: Opening, { day, minutes }: Local): boolean {
  if (from < to) return days.includes(day) && minutes >= from && minutes < to;
  const yesterday = WEEKDAYS[(WEEKDAYS.indexOf(day) + 6) % 7] as Weekday;
  return (days.includes(day) && minutes >= from) || (days.includes(yesterday) && minutes < to);
}

/**
 * When a clock there shows that date and time, ms since epoch: the first time of two where the clocks go back; where
 * they skip it, as late as it would have been without.
 */
export function instantOf(date: string, minutes: number, timeZone: string): number {
  return Math.min(...instantsOf(date, minutes, timeZone));
}

function instantsOf(date: string, minutes: number, timeZone: string): number[] {
  const [year = 1970, month = 1, day = 1] = date.split('-').map(Number);
  const wall = Date.UTC(year, month - 1, day) + minutes * MINUTE_MS;
  // The offsets a day before and after are those on both sides of a change, if there is one.
  const offsets = [offsetAt(wall - DAY_MS, timeZone), offsetAt(wall + DAY_MS, timeZone)];
  const found = [...new Set(offsets)].map((offset) => wall - offset).filter((at) => at + offsetAt(at, timeZone) === wall);
  return found.length > 0 ? found : [wall - (offsets[0] ?? 0)];
}

export function isTimeZone(name: string): boolean {
  try {
    formatOf(name);
    return true;
  } catch {
    return false;
  }
}

function offsetAt(at: number, timeZone: string): number {
  const { date, minutes } = localOf(at, timeZone);
  const [year = 1970, month = 1, day = 1] = date.split('-').map(Number);
  return Date.UTC(year, month - 1, day) + minutes * 60_000 - Math.floor(at / 60_000) * 60_000;
}

function localOf(at: number, timeZone: string): Local {
  const parts = Object.fromEntries(
    formatOf(timeZone)
      .formatToParts(at)
      .map(({ type, value }) => [type, value]),
  );
  const day = (parts['weekday'] ?? '').toLowerCase() as Weekday;
  const minutes = Number(parts['hour']) * 60 + Number(parts['minute']);
  return { date: `${parts['year']}-${parts['month']}-${parts['day']}`, day, minutes };
}

/** Making one costs far more than using it. */
const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(timeZone: string): Intl.DateTimeFormat {
  const known = formats.get(timeZone);
  if (known !== undefined) return known;
  const made = new Intl.DateTimeFormat('en-US', {
    timeZone,
    hourCycle: 'h23',
    weekday: 'short',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
  });
  formats.set(timeZone, made);
  return made;
}
