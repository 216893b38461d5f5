import { mayNeedPeople, noticeOf } from '../../core/access/notices.ts';
import type { Engine, Recorded } from '../../engine/face.ts';
import { isOldest, newestPosition, pause, persistently, retryPause, textOf } from './log-follower.ts';
import type { Notifier } from '../../ports/notifier.ts';
import type { Notice } from '../../core/access/notice.ts';

export interface NoticesOptions {
  readonly engine: Engine;
  /** Whom to tell, as the configuration says now. */
  notifiers(): Promise<readonly Notifier[]>;
  warn(message: string): void;
  /** Time after which a notice that nobody takes is given up, ms (an hour). */
  readonly giveUpMs?: number;
  /** How long the others leave it to the oldest control plane while that lives, ms (30,000). */
  readonly courtesyMs?: number;
}

const STREAM = 'notices/delivered';
/** Between two looks whether the oldest control plane has told it or is gone. */
const LOOK_AGAIN_MS = 1_000;
/** Events after which it is noted how far the log has been read, also when nobody had to be told: a restart begins there. */
const NOTED_EVERY = 10_000;

interface Delivered {
  /** `NoticesSettled`: nothing up to there is left to be told. */
  readonly type: 'NoticesSettled' | 'NoticeDelivered' | 'NoticeGivenUp';
  /** In the log. */
  readonly position: number;
  readonly notifier?: string;
  readonly key?: string;
}

/** What is still to be told, and what others or we have told. */
interface Books {
  readonly told: Set<string>;
  /** Positions of notices under way. */
  readonly open: Set<number>;
  seen: number;
  settled: number;
}

/**
 * The log is the outbox: what people are to be told is read from it, and who was told is written back to it. So a
 * notice is told at least once whatever dies when, and no release ever waits for it.
 */
export function startNotices(options: NoticesOptions): { stop(): Promise<void> } {
  const ending = new AbortController();
  const running = persistently(options, 'the log cannot be read for notices', ending.signal, () => run(options, ending.signal));
  return {
    async stop() {
      ending.abort();
      await running;
    },
  };
}

async function run(options: NoticesOptions, ending: AbortSignal): Promise<void> {
  const { engine } = options;
  const books = await openBooks(engine);
  const round = new AbortController();
  const signal = AbortSignal.any([ending, round.signal]);
  // One after another for each notifier; a slow one holds up nobody else.
  const lines = new Map<string, Promise<void>>();
  const work = new Set<Promise<void>>();
  const settle = async (): Promise<void> => {
    const position = books.open.size === 0 ? books.seen : Math.min(...books.open) - 1;
    if (signal.aborted || position <= books.settled || !(await isOldest(engine))) return;
    books.settled = position;
    await record(engine, { type: 'NoticesSettled', position });
  };
  const inBackground = (doing: Promise<void>): void => {
    const done = doing.catch((error: unknown) => {
      if (!signal.aborted) options.warn(`a notice could not be noted: ${textOf(error)}`);
    });
    work.add(done);
    void done.finally(() => work.delete(done));
  };
  const handled = async (entry: Recorded): Promise<void> => {
    await handle(options, books, entry, lines, signal);
    if (signal.aborted) return;
    books.open.delete(entry.position);
    await settle();
  };
  const onEvent = (entry: Recorded): void => {
    books.seen = entry.position;
    if (entry.stream === STREAM) note(books, entry.data as unknown as Delivered);
    else if (entry.stream.startsWith('release/') && mayNeedPeople(entry.data)) {
      books.open.add(entry.position);
      inBackground(handled(entry));
    } else if (books.open.size === 0 && books.seen - books.settled >= NOTED_EVERY) inBackground(settle());
  };
  try {
    await engine.follow({ after: books.settled }, onEvent, signal);
  } finally {
    round.abort();
    await Promise.all(work);
  }
}

/** Where there is no book yet, it begins with the newest event: nobody wants to hear of what was long ago. */
async function openBooks(engine: Engine): Promise<Books> {
  const before = (await engine.recorded(STREAM)).map(({ data }) => data as unknown as Delivered);
  const books: Books = { told: new Set(), open: new Set(), seen: 0, settled: 0 };
  for (const one of before) note(books, one);
  if (before.length === 0) {
    books.settled = await newestPosition(engine);
    await record(engine, { type: 'NoticesSettled', position: books.settled });
  }
  books.seen = books.settled;
  return books;
}

function note(books: Books, { type, position, notifier, key }: Delivered): void {
  if (type === 'NoticesSettled') books.settled = Math.max(books.settled, position);
  else books.told.add(`${notifier}/${key}`);
}

async function handle(
  options: NoticesOptions,
  books: Books,
  entry: Recorded,
  lines: Map<string, Promise<void>>,
  signal: AbortSignal,
): Promise<void> {
  const found = await persistently(options, 'it cannot be found out whom to tell', signal, () => whomToTell(options, entry));
  if (found === undefined) return;
  const { notice, notifiers } = found;
  await Promise.all(
    notifiers.map((notifier) => {
      const before = lines.get(notifier.name) ?? Promise.resolve();
      const line = before.then(() => tell(options, books, { notifier, notice, position: entry.position }, signal));
      lines.set(notifier.name, line);
      return line;
    }),
  );
}

interface Telling {
  readonly notifier: Notifier;
  readonly notice: Notice;
  readonly position: number;
}

async function whomToTell(
  options: NoticesOptions,
  entry: Recorded,
): Promise<{ readonly notice: Notice; readonly notifiers: readonly Notifier[] } | undefined> {
  const state = await options.engine.release(entry.stream.slice('release/'.length));
  const notice = state === null ? null : noticeOf(entry.data, state, entry.at);
  if (notice === null) return undefined;
  const notifiers = await options.notifiers();
  return { notice, notifiers: notifiers.filter(({ on }) => on === null || on.includes(notice.occasion)) };
}

/** Until it is told, by us or another control plane, or given up. Never throws. */
async function tell(options: NoticesOptions, books: Books, telling: Telling, signal: AbortSignal): Promise<void> {
  const { engine, warn, giveUpMs = 3_600_000, courtesyMs = 30_000 } = options;
  const { notifier, notice, position } = telling;
  const name = `${notifier.name}/${notice.key}`;
  const begun = performance.now();
  for (let tries = 0; !signal.aborted && !books.told.has(name);) {
    // The oldest may be one that tells nobody: of an earlier version, or stuck.
    if (performance.now() - begun < courtesyMs && !(await isOldest(engine).catch(() => true))) {
      await pause(Math.min(courtesyMs, LOOK_AGAIN_MS), signal);
      continue;
    }
    const error = await notifier.tell(notice, signal).then(
      () => null,
      (thrown: unknown) => thrown ?? 'unknown',
    );
    if (signal.aborted) return;
    const wait = retryPause(tries);
    const isOver = error === null || performance.now() + wait - begun > giveUpMs;
    if (tries === 0 && error !== null) warn(`${notice.key} could not be told: ${textOf(error)}`);
    if (isOver) {
      const type = error === null ? 'NoticeDelivered' : 'NoticeGivenUp';
      if (error !== null) warn(`${notice.key} is given up: ${notifier.name} never took it`);
      books.told.add(name);
      const said: Delivered = { type, position, notifier: notifier.name, key: notice.key };
      await persistently(options, 'it cannot be noted who was told', signal, () => record(engine, said));
      return;
    }
    tries += 1;
    await pause(wait, signal);
  }
}

function record(engine: Engine, said: Delivered): Promise<void> {
  return engine.record(STREAM, [said]);
}
