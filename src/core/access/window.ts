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

const DAY_MS = 86_400_000;
/** Every weekday comes again within this many days, whatever the clocks do. */
const DAYS_AHEAD = 9;

/** Why it is closed at that moment, one phrase; null: open. */
export function closedBecause(window: DeploymentWindow, at: number): string | null {
  const freeze = window.freezes.find(({ from, to }) => from <= at && at < to);
  if (freeze !== undefined) return `frozen: ${freeze.reason}`;
  return window.open.length === 0 || window.open.some((opening) => isWithin(opening, localOf(at, window.timeZone)))
    ? null
    : 'outside the deployment window';
}

/** The first moment from `at` on at which it is open, ms since epoch; null: not within `waitMs`. */
export function opensAt(window: DeploymentWindow, at: number): number | null {
  if (closedBecause(window, at) === null) return at;
  const thaws = window.freezes.map(({ to }) => to).filter((to) => to > at);
  const starts = [at, ...thaws].flatMap((from) => openingsAfter(window, from));
  const open = [...thaws, ...starts].filter(
    (moment) => moment > at && moment <= at + window.waitMs && closedBecause(window, moment) === null,
  );
  return open.length === 0 ? null : Math.min(...open);
}

function openingsAfter({ open, timeZone }: DeploymentWindow, from: number): number[] {
  const moments: number[] = [];
  for (let ahead = 0; ahead <= DAYS_AHEAD; ahead += 1) {
    const { date, day } = localOf(from + ahead * DAY_MS, timeZone);
    for (const opening of open) if (opening.days.includes(day)) moments.push(instantOf(date, opening.from, timeZone));
  }
  return moments;
}

interface Local {
  /** `2026-01-31` */
  readonly date: string;
  readonly day: Weekday;
  /** After midnight, as the clock on the wall shows it. */
  readonly minutes: number;
}

function isWithin({ days, from, to }: Opening, { day, minutes }: Local): boolean {
  if (from < to) return days.includes(day) && minutes >= from && minutes < to;
  const yesterday = WEEKDAYS[(WEEKDAYS.indexOf(day) + 6) % 7] as Weekday;
  return (days.includes(day) && minutes >= from) || (days.includes(yesterday) && minutes < to);
}

/** When a clock there shows that date and time, ms since epoch; a time that the clocks skip is taken by the offset before. */
export function instantOf(date: string, minutes: number, timeZone: string): number {
  const [year = 1970, month = 1, day = 1] = date.split('-').map(Number);
  const wall = Date.UTC(year, month - 1, day) + minutes * 60_000;
  // The offset near that moment, and once more with what came of it: right on both sides of a change.
  const near = wall - offsetAt(wall, timeZone);
  return wall - offsetAt(near, timeZone);
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
