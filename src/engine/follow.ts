import type { Recorded } from './face.ts';
import type { Feed } from './feed.ts';
import { readLog } from './log/log.ts';
import type { Database } from './postgres/database.ts';
import { streamOf } from './states.ts';

const PAGE = 200;
/** Looks even if no note came: a broken connection may have swallowed one. */
const LOOK_AGAIN_MS = 2_000;

/** Hand each event after `after` to `on`, in order, without gaps, until the signal fires. */
export async function follow(
  database: Database,
  feed: Feed,
  options: { readonly after: number; readonly release?: string },
  on: (event: Recorded) => void,
  signal: AbortSignal,
): Promise<void> {
  const bell = createBell();
  const unsubscribe = feed.onAppend(bell.ring);
  signal.addEventListener('abort', bell.ring);
  const stream = options.release === undefined ? {} : { stream: streamOf(options.release) };
  let { after } = options;
  try {
    while (!signal.aborted) {
      bell.reset();
      const page = await readLog(database, { after, limit: PAGE, ...stream });
      for (const entry of page) {
        if (signal.aborted) return;
        on(entry as unknown as Recorded);
        after = entry.position;
      }
      if (page.length < PAGE) await bell.rung(LOOK_AGAIN_MS);
    }
  } finally {
    unsubscribe();
    signal.removeEventListener('abort', bell.ring);
  }
}

/** Remembers that it was rung since the last reset, so that nothing is missed between a look and the wait. */
function createBell(): { ring(): void; reset(): void; rung(timeoutMs: number): Promise<void> } {
  let isRung = false;
  let wake: (() => void) | null = null;
  return {
    ring() {
      isRung = true;
      wake?.();
    },
    reset() {
      isRung = false;
    },
    rung(timeoutMs) {
      if (isRung) return Promise.resolve();
      return new Promise((resolve) => {
        const timer = setTimeout(() => wake?.(), timeoutMs);
        wake = () => {
          clearTimeout(timer);
          wake = null;
          resolve();
        };
      });
    },
  };
}
