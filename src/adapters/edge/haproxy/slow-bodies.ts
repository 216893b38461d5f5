import type { EdgeRules } from '../../../core/app/traffic.ts';
import type { Master } from './master.ts';

/** A stream this young has not had its time yet, s. */
const YOUNG_S = 1;
/** Over which time the speed of a request body is measured, ms, and while HAProxy is crowded. */
const RATE_MS = 10_000;
const CROWDED_RATE_MS = 5_000;
/** Streams that are asked for in one line: HAProxy refuses lines beyond 16 KiB. */
const BATCH = 200;
/** By how much two readings of the age of one stream may differ, s: beyond an hour HAProxy tells minutes. */
const AGE_SLACK_S = 3;
const OLD_AGE_SLACK_S = 90;
const OLD_S = 3_600;

/** One request that HAProxy carries, from `show sess`. */
export interface StreamRow {
  /** Names it to HAProxy, until it ends. */
  readonly pointer: string;
  readonly ageS: number;
}

/** The same one in detail. */
export interface StreamDetail {
  readonly pointer: string;
  /** The request has come whole. */
  readonly isWhole: boolean;
  /** The version has not read all that has come. */
  readonly isBlocked: boolean;
  /** Nothing of an answer has come. */
  readonly isUnanswered: boolean;
  /** Bytes that came from the client, and from the version. */
  readonly received: number;
  readonly answered: number;
}

interface Watched {
  readonly bornS: number;
  /** Its request has come whole: nothing to look at any more. */
  isSettled: boolean;
  received: number;
  answered: number;
  /** Since when the speed is measured, and how much had come by then. */
  measuredAt: number;
  measured: number;
  movedAt: number;
}

/**
 * Gives up request bodies that stop or come too slowly. HAProxy itself waits for them as long as for an answer, and then takes it for the
 * version's failure; it keeps no least speed either. So the keeper looks at what it carries every few seconds, and ends those.
 */
export interface SlowBodies {
  look(workers: readonly number[], rules: EdgeRules, isCrowded: boolean): Promise<void>;
}

export function createSlowBodies(master: Pick<Master, 'tell'>, now: () => number = () => performance.now()): SlowBodies {
  const watched = new Map<number, Map<string, Watched>>();

  async function lookAt(worker: number, rules: EdgeRules, isCrowded: boolean): Promise<void> {
    const rows = parseStreams(await master.tell(worker, 'show sess')).filter(({ ageS }) => ageS >= YOUNG_S);
    const before = watched.get(worker) ?? new Map<string, Watched>();
    const kept = new Map(rows.map((row): [string, Watched] => [row.pointer, known(before.get(row.pointer), row, now() / 1_000)]));
    watched.set(worker, kept);
    const open = rows.map(({ pointer }) => pointer).filter((pointer) => kept.get(pointer)?.isSettled !== true);
    for (let at = 0; at < open.length; at += BATCH) {
      const lines = open.slice(at, at + BATCH).map((pointer) => `show sess ${pointer}`);
      const slow = parseDetails(await master.tell(worker, ...lines)).filter((detail) => {
        const one = kept.get(detail.pointer);
        return one !== undefined && isTooSlow(one, detail, rules, isCrowded ? CROWDED_RATE_MS : RATE_MS, now());
      });
      if (slow.length > 0) await master.tell(worker, ...slow.map(({ pointer }) => `shutdown session ${pointer}`));
    }
  }

  return {
    async look(workers, rules, isCrowded) {
      for (const worker of watched.keys()) if (!workers.includes(worker)) watched.delete(worker);
      for (const worker of workers) await lookAt(worker, rules, isCrowded);
    },
  };
}

/** What is known of a stream; the pointer of one that has ended may have been given to another. */
function known(before: Watched | undefined, { ageS }: StreamRow, nowS: number): Watched {
  const bornS = nowS - ageS;
  const slack = ageS < OLD_S ? AGE_SLACK_S : OLD_AGE_SLACK_S;
  if (before !== undefined && Math.abs(before.bornS - bornS) <= slack) return before;
  return { bornS, isSettled: false, received: -1, answered: -1, measuredAt: 0, measured: 0, movedAt: 0 };
}

/** Take a reading of a stream. @returns whether its body has come too slowly by now. */
function isTooSlow(one: Watched, detail: StreamDetail, { limits, timeouts }: EdgeRules, rateMs: number, now: number): boolean {
  const { isWhole, isBlocked, isUnanswered, received, answered } = detail;
  one.isSettled = isWhole;
  const isFirst = one.received === -1;
  if (isFirst || isBlocked || received !== one.received || answered !== one.answered) one.movedAt = now;
  if (isFirst || isBlocked) {
    one.measuredAt = now;
    one.measured = received;
  }
  Object.assign(one, { received, answered });
  if (isWhole) return false;
  if (now - one.movedAt > timeouts.bodyMs) return true;
  if (!isUnanswered || now - one.measuredAt < rateMs) return false;
  const isSlow = (received - one.measured) * 1_000 < limits.bodyRate * (now - one.measuredAt);
  one.measuredAt = now;
  one.measured = received;
  return isSlow;
}

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };

/** Answer of `show sess`: the streams of users. */
export function parseStreams(text: string): StreamRow[] {
  return text.split('\n').flatMap((line) => {
    const [, pointer, age] = /^(0x[0-9a-f]+): .* fe=edge .* age=(\S+)/.exec(line) ?? [];
    if (pointer === undefined || age === undefined) return [];
    const parts = [...age.matchAll(/(\d+)([smhd])/g)];
    return [{ pointer, ageS: parts.reduce((sum, [, count, unit]) => sum + Number(count) * (SECONDS[unit ?? ''] ?? 0), 0) }];
  });
}

/** Answers of `show sess POINTER`, one after another; those that do not tell what is needed are left out. */
export function parseDetails(text: string): StreamDetail[] {
  return text.split(/^(?=0x)/m).flatMap((part) => {
    const pointer = /^(0x[0-9a-f]+):/.exec(part)?.[1];
    const [, request, response] = /req\.st=MSG_(\w+) rsp\.st=MSG_(\w+)/.exec(part) ?? [];
    const [received, answered] = [...part.matchAll(/^ {2}re[qs]=.* total=(\d+)/gm)].map(([, count]) => Number(count));
    // What the version has not read yet lies in the first of the two buffers.
    const unread = Number(/^ {6}htx=.* data=(\d+)/m.exec(part)?.[1] ?? 0);
    if (pointer === undefined || request === undefined || received === undefined || answered === undefined) return [];
    const isWhole = !/^(RQBEFORE|BODY|DATA)$/.test(request);
    return [{ pointer, isWhole, isBlocked: unread > 0, isUnanswered: response === 'RPBEFORE', received, answered }];
  });
}
