import type { Recorded } from '../../core/release/state/events.ts';
import { evolve } from '../../core/release/state/evolve.ts';
import type { ReleaseState } from '../../core/release/state/state.ts';
import { EXIT, exitOfOutcome, exitOfPuttingBack } from '../session/exit.ts';
import { createLines, outcomeWords } from './lines.ts';
import type { FollowOptions } from '../session/options.ts';
import { environments } from '../session/pick.ts';
import { createPainter } from './repaint.ts';
import { type Answer, type Session, timeoutOf } from '../session/session.ts';
import { summaryOf, waitingForPerson } from './state.ts';
import { treeOf } from './tree.ts';
import { clock, duration, heldBackLines } from './words.ts';
import { addressesOf } from './addresses.ts';
import { type Seen, startSeen, withSample } from './counts.ts';
import { marksOf } from './marks.ts';

/** What the person wants of the release: that it gets there, or that it goes back. */
export type Wanted = 'out' | 'back';

const REPAINT_MS = 120;

/**
 * Follow a release until it is over, a person is waited for whom nobody can ask, `--timeout` passes or
 * Ctrl-C is pressed. Following changes nothing: the release goes on without us.
 */
export async function follow(session: Session, id: string, options: FollowOptions, wanted: Wanted = 'out'): Promise<Answer> {
  const timeoutMs = timeoutOf(options.timeout);
  const client = await session.client();
  const stop = new AbortController();
  let why: 'over' | 'waiting' | 'timeout' | 'interrupted' = 'over';
  const stopFor = (reason: typeof why): void => {
    if (stop.signal.aborted) return;
    why = reason;
    stop.abort();
  };
  const dispose = session.terminal.onInterrupt(() => stopFor('interrupted'));
  const timer = timeoutMs === null ? null : setTimeout(() => stopFor('timeout'), timeoutMs);
  const view = viewOf(session, options);
  const isOver = (): boolean => state?.stage === 'closed';
  let state: ReleaseState | null = null as ReleaseState | null;
  try {
    for await (const event of client.events(`/v1/releases/${encodeURIComponent(id)}/events?until=end`, { signal: stop.signal, isOver })) {
      const entry = JSON.parse(event.data) as Recorded;
      state = evolve(state, entry.data, entry.at);
      view.show(entry, state);
      if (isOver()) break;
      const isStuck = !session.canAsk && options.wait !== true && waitingForPerson(state).length > 0;
      if (isStuck && (await isUpToDate(session, id, state))) stopFor('waiting');
    }
  } finally {
    dispose();
    if (timer !== null) clearTimeout(timer);
    view.close();
  }
  const addresses = state?.outcome === 'Succeeded' && !session.json ? await addressesAt(session, state) : [];
  return answerOf(id, state, why, wanted, timeoutMs, addresses);
}

/** Where users reach what is out now. That it cannot be asked any more changes nothing about the release. */
async function addressesAt(session: Session, state: ReleaseState): Promise<readonly string[]> {
  const known = await environments(await session.client()).catch(() => []);
  const url = known.find(({ name }) => name === state.plan.environment)?.url ?? null;
  return url === null ? [] : addressesOf(state.plan, url);
}

/** What happened long ago is told first: a pause in the past is not one now. */
async function isUpToDate(session: Session, id: string, state: ReleaseState): Promise<boolean> {
  const client = await session.client();
  const now = await client.get<ReleaseState>(`/v1/releases/${encodeURIComponent(id)}`);
  return now.version <= state.version;
}

function answerOf(
  id: string,
  state: ReleaseState | null,
  why: 'over' | 'waiting' | 'timeout' | 'interrupted',
  wanted: Wanted,
  timeoutMs: number | null,
  addresses: readonly string[],
): Answer {
  const outcome = state?.outcome ?? null;
  const summary = state === null ? { release: id, outcome: null } : summaryOf(state);
  const again = `\`sluice status -w ${id}\` follows it`;
  const with_ = (exit: number, text: string): Answer => ({ exit, data: { ...summary, exitCode: exit }, text });
  if (outcome === null || state === null) {
    switch (why) {
      case 'waiting': {
        const asked = state === null ? [] : waitingForPerson(state);
        const lines = asked.map(
          ({ app, message, commands }) =>
            `${app === null ? '' : `${app}: `}${message}. Run ${commands.map((one) => `\`${one}\``).join(' or ')}.`,
        );
        return with_(EXIT.waiting, [`Release ${id} waits for a person.`, ...lines].join('\n'));
      }
      case 'timeout':
        return with_(EXIT.timeout, `Release ${id} is not over after ${duration(timeoutMs ?? 0)}. It goes on: ${again}.`);
      case 'interrupted':
        return with_(EXIT.interrupted, `Release ${id} goes on: ${again}, \`sluice abort ${id}\` puts it back.`);
      case 'over':
        return with_(EXIT.error, `Release ${id} could no longer be followed: ${again}.`);
    }
  }
  const exit = wanted === 'back' ? exitOfPuttingBack(outcome) : exitOfOutcome(outcome);
  return with_(
    exit,
    [
      `${outcomeWords(outcome)}: ${state.reason ?? ''} (release ${id}, ${duration((state.endedAt ?? 0) - state.requestedAt)})`,
      ...addresses.map((address) => `  ${address}`),
      ...heldBackLines(state.plan.unchanged),
      ...advice(state, wanted),
    ].join('\n'),
  );
}

function advice(state: ReleaseState, wanted: Wanted): string[] {
  const { id, outcome, plan } = state;
  if (outcome === 'RollbackFailed') {
    return [
      '!!! Not everything could be put back: users may be affected now. !!!',
      `Look at once: \`sluice manifest -e ${plan.environment}\`, \`sluice doctor\`, \`sluice status ${id}\`.`,
    ];
  }
  if (outcome === 'Succeeded' || wanted === 'back') return [];
  const shows = `\`sluice status ${id}\` shows what happened`;
  // What the evidence spoke against would most likely end the same.
  return outcome === 'Failed' || outcome === 'RolledBack'
    ? [`${shows}. Correct it, in the sources or the settings, and \`sluice deploy\`; \`sluice retry ${id}\` runs the same once more.`]
    : [`${shows}; \`sluice retry ${id}\` tries the same again.`];
}

interface View {
  show(entry: Recorded, state: ReleaseState): void;
  close(): void;
}

function viewOf(session: Session, options: FollowOptions): View {
  if (session.json) return options.events === true ? jsonView(session) : { show: () => {}, close: () => {} };
  return session.terminal.canPaint ? treeView(session) : lineView(session);
}

function jsonView({ terminal }: Session): View {
  return { show: (entry) => terminal.out(`${JSON.stringify(entry)}\n`), close: () => {} };
}

function lineView({ terminal }: Session): View {
  const lines = createLines();
  const tones = { plain: null, good: 'green', bad: 'red', attention: 'yellow' } as const;
  return {
    show(entry, state) {
      const line = lines(entry, state);
      if (line === null) return;
      const tone = tones[line.tone];
      const text = `${line.app === null ? '' : `${line.app}: `}${line.text}`;
      terminal.err(`${terminal.colour('dim', clock(entry.at))}  ${tone === null ? text : terminal.colour(tone, text)}\n`);
    },
    close: () => {},
  };
}

function treeView({ terminal, now, sayThrough, env }: Session): View {
  const painter = createPainter(terminal.err, terminal.rows);
  const quiet = sayThrough(painter.above);
  const seen = new Map<string, Seen>();
  const marks = marksOf(env);
  let tick = 0;
  let latest: ReleaseState | null = null;
  const paint = (): void => {
    tick += 1;
    if (latest !== null)
      painter.paint(
        treeOf(latest, {
          now: now(),
          columns: widthOf(terminal.columns()),
          tick,
          seen,
          marks,
          colour: terminal.colour,
          endsElsewhere: true,
        }),
      );
  };
  const timer = setInterval(paint, REPAINT_MS);
  return {
    show({ data, at }, state) {
      if (data.type === 'StepStarted') seen.set(data.app, startSeen(at));
      if (data.type === 'SampleCollected' && data.analysis === undefined)
        seen.set(data.app, withSample(seen.get(data.app) ?? startSeen(at), data.sample));
      latest = state;
    },
    close() {
      clearInterval(timer);
      paint();
      painter.done();
      quiet();
    },
  };
}

/** A line that long is no longer read at a glance. */
const WIDEST = 120;

function widthOf(columns: number): number {
  return Math.min(columns, WIDEST);
}
