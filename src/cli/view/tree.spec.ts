import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EVERY_SECOND } from '../../../test/worlds/bakes.ts';
import { canary, memoryPlanner } from '../../../test/worlds/memory-planner.ts';
import { bucketOf } from '../../core/analysis/histogram.ts';
import type { ArmCounts, Sample } from '../../core/analysis/sample.ts';
import type { ReleaseEvent } from '../../core/release/state/events.ts';
import { evolve } from '../../core/release/state/evolve.ts';
import type { Plan, Strategy, VersionRef } from '../../core/release/plan/plan.ts';
import type { ReleaseState } from '../../core/release/state/state.ts';
import { createPainter } from './repaint.ts';
import { waitingForPerson } from './state.ts';
import { treeOf } from './tree.ts';
import { age, count, duration, strategyWords, table, visibleLength } from './words.ts';
import { startSeen, withSample } from './counts.ts';
import { marksOf } from './marks.ts';
import { wrap } from './wrap.ts';

const version = (id: string): VersionRef => ({
  id,
  artifact: `sha256:${id}`,
  commit: null,
  run: { command: [], env: {}, instances: 1, listens: true, drainMs: 0 },
  health: null,
});

/** web from `old` to `new`: 5 % for a minute, then all. */
async function planOf(strategy = canary({ bakeMs: 60_000 })): Promise<Plan> {
  const planner = memoryPlanner({ web: {} });
  planner.strategies.set('web', strategy);
  const stable = version('old');
  const known = {
    app: 'web',
    platform: 'processes',
    stable,
    fingerprint: 'before',
    weights: {},
    release: null,
    since: 0,
    history: [],
    held: [],
  };
  return planner.plan({ environment: 'production', manifest: { environment: 'production', apps: { web: known } } });
}

function after(plan: Plan, events: readonly ReleaseEvent[]): ReleaseState {
  const all: ReleaseEvent[] = [
    { type: 'ReleaseRequested', release: 'r1', plan, by: 'ada', retryOf: null },
    { type: 'ReservationsAcquired', stables: { web: version('old') } },
    { type: 'RolloutStarted', app: 'web' },
    ...events,
  ];
  return all.reduce<ReleaseState | null>((state, event, i) => evolve(state, event, i * 1000), null) as ReleaseState;
}

const DEPLOYED: readonly ReleaseEvent[] = [
  { type: 'ArtifactBuilt', app: 'web', version: version('new'), reused: false, log: null },
  { type: 'VersionDeployed', app: 'web', version: 'new' },
  { type: 'VersionHealthy', app: 'web', version: 'new' },
];
const AT_5: readonly ReleaseEvent[] = [
  ...DEPLOYED,
  { type: 'WeightsShifted', app: 'web', weights: { old: 95, new: 5 }, toProve: false },
  { type: 'StepStarted', app: 'web', step: 1 },
];

const SEQUENTIAL: Strategy = {
  kind: 'canary',
  steps: [
    { kind: 'weight', weight: 5 },
    { kind: 'bake', forMs: 120_000 },
  ],
  soakMs: 0,
  analysis: EVERY_SECOND,
};

function sampleOf(at: number, candidate: ArmCounts | null, baseline: ArmCounts | null): Sample {
  return { fromAt: at - 1000, at, candidate, baseline, error: null };
}

const show = (state: ReleaseState, options: Partial<Parameters<typeof treeOf>[1]> = {}): string =>
  treeOf(state, {
    now: 20_000,
    columns: 100,
    tick: 0,
    seen: new Map(),
    marks: marksOf({}),
    colour: (_colour, text) => text,
    ...options,
  }).join('\n');

describe('the tree', () => {
  test('shows weight, time left, what was counted and the way ahead', async () => {
    const state = after(await planOf(), AT_5);
    const seen = withSample(startSeen(4000), sampleOf(5000, { requests: 1204, errors: 1, latency: {} }, null));
    expect(
      show(state, { seen: new Map([['web', seen]]) })
        .split('\n')
        .slice(0, 3),
    ).toEqual([
      'Release r1 to production  20 s',
      '⠋ web  █░░░░░░░░░░░░░░░░░░░   5 %  looks, 46 s left · 1 204 requests, 1 error',
      '       ✓ 5 %  ▸ 1 min  100 %',
    ]);
  });

  test('shows a pause and what to run', async () => {
    const plan = await planOf(canary({ pause: true }));
    const state = after(plan, [
      ...AT_5,
      { type: 'RolloutPaused', app: 'web', step: 1, reason: 'pauseStep', message: 'paused at 5 % until someone promotes' },
    ]);
    expect(show(state)).toMatch(
      /‖ web .* {2}paused for 12 s\n.*✓ 5 % {2}▸ approval.*\n.*paused at 5 %[^]*→ web: paused at 5 % until someone promotes\n {4}sluice approve r1\n {4}sluice reject r1/,
    );
  });

  test('shows what is tried again, and what is put back', async () => {
    const failed: ReleaseEvent = {
      type: 'EffectFailed',
      app: 'web',
      effect: 'deploy',
      key: 'web/deploy',
      blame: 'outside',
      code: 'DISK_FULL',
      message: 'no space left',
    };
    const [built] = DEPLOYED as [ReleaseEvent];
    expect(show(after(await planOf(), [built, failed, failed]))).toContain('failed 2 times, tries again: no space left (DISK_FULL)');
    const cause = { kind: 'verdict', app: 'web', code: 'ANALYSIS_FAILED', message: '9 % errors' } as const;
    const back: ReleaseEvent[] = [
      { type: 'RolloutFailed', app: 'web', cause },
      { type: 'RollbackStarted', cause },
    ];
    expect(show(after(await planOf(), [...AT_5, ...back]))).toMatch(/Putting back: 9 % errors\n✗ web {2}█░+ {3}5 % {2}goes back/);
    expect(
      show(after(await planOf(), [...AT_5, ...back, { type: 'ReleaseEnded', outcome: 'RolledBack', reason: '9 % errors' }])),
    ).toContain('Rolled back: 9 % errors');
  });

  test('shows who has what it waits for', async () => {
    const plan = await planOf();
    const state = evolve(
      evolve(null, { type: 'ReleaseRequested', release: 'r1', plan, by: 'ada', retryOf: null }, 0),
      { type: 'ReservationBusy', app: 'web', holder: 'r0' },
      5000,
    );
    expect(show(state)).toContain('Waits for web, held by release r0, for 15 s');
  });

  test('shows old beside new in numbers while it looks, and how far the judge is from a verdict', async () => {
    const arm = (requests: number, errors: number, ms: number) => ({ requests, errors, latency: { [bucketOf(ms)]: requests } });
    const samples = [5000, 6000, 90_000].map((at) => sampleOf(at, arm(40, 2, 30), arm(760, 1, 20)));
    const looks = samples.map((sample): ReleaseEvent => ({ type: 'SampleCollected', app: 'web', sample, reading: null }));
    const state = after(await planOf(SEQUENTIAL), [...AT_5, ...looks]);
    const seen = new Map([['web', samples.reduce(withSample, startSeen(4000))]]);
    const frame = show(state, { seen });
    expect(frame).toMatch(/web +old old +new new +DIFFERENCE, 95 % +SHOWN/);
    expect(frame).toMatch(/requests +2 280 +120/);
    expect(frame).toMatch(/errors +0\.13 % +5\.00 % +[+−]\d+\.\d\d to [+]\d+\.\d\d pt +(○ not yet|✗ worse)/);
    expect(frame).toMatch(/p95 +\d+\.\d ms +\d+\.\d ms/);
    expect(frame).toMatch(/p95, 10 min +[▁-█]{2} +[▁-█]{2}/);
    expect(frame).toMatch(/verdict on .+\n +well +[█░]{16} .+ of 20\n +worse [█░]{16} .+ of \d+/);
    expect(show(state, { seen, columns: 60 })).not.toContain('DIFFERENCE');
    expect(show(state, { seen, marks: marksOf({ SLUICE_ASCII: '1' }) })).toMatch(/^[\n -~]+$/);
  });

  test('shows no data as no data', async () => {
    const looks: ReleaseEvent[] = [{ type: 'SampleCollected', app: 'web', sample: sampleOf(5000, null, null), reading: null }];
    const state = after(await planOf(SEQUENTIAL), [...AT_5, ...looks]);
    const frame = show(state, { seen: new Map([['web', startSeen(4000)]]) });
    expect(frame).toMatch(/errors +no data +no data/);
    expect(frame).toMatch(/p95 +no data +no data/);
  });

  test('shows what lies before the rollouts, stage by stage', async () => {
    const plan: Plan = {
      ...(await planOf()),
      checks: { apps: [{ app: 'web', base: null }], deadlineMs: 60_000 },
      approval: { number: 1, from: [], expiresMs: 3_600_000, authors: [] },
    };
    const asked = evolve(null, { type: 'ReleaseRequested', release: 'r1', plan, by: 'ada', retryOf: null }, 0);
    expect(show(asked)).toMatch(/⠋ checks {4}run for web, 20 s\n○ approval {2}by 1/);
    const report = {
      app: 'web',
      verdict: 'passed',
      evidence: [{ subject: 'tests', result: 'passed', text: '31 of 31', proof: null }],
      waivers: [],
    } as const;
    const checked = evolve(asked, { type: 'ChecksPassed', reports: [report] }, 9000);
    const waiting = evolve(checked, { type: 'ApprovalRequested', planHash: plan.hash, artifacts: {}, expiresAt: 80_000 }, 10_000);
    expect(show(waiting)).toMatch(/✓ checks {4}tests: 31 of 31\n◇ approval {2}0 of 1, for another 1 min/);
  });

  test('never is wider than the terminal, and breaks at spaces: nothing is lost', async () => {
    const state = after(await planOf(), AT_5);
    for (const columns of [30, 40, 60, 79]) {
      const lines = show(state, { columns, colour: (_colour, text) => `\u001b[31m${text}\u001b[39m` }).split('\n');
      expect(Math.max(...lines.map(visibleLength))).toBeLessThanOrEqual(columns);
    }
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 12 })),
        fc.integer({ min: 20, max: 60 }),
        (parts, columns) => {
          const words = parts.map((part) => part.replaceAll(' ', '_'));
          const lines = wrap(words.join(' '), columns);
          expect(
            lines
              .join(' ')
              .split(/ +/)
              .filter((word) => word !== ''),
          ).toEqual(words);
          expect(Math.max(...lines.map(visibleLength))).toBeLessThanOrEqual(columns);
        },
      ),
    );
  });
});

describe('a person is waited for', () => {
  const paused = (reason: 'pauseStep' | 'inconclusive'): ReleaseEvent => ({
    type: 'RolloutPaused',
    app: 'web',
    step: 1,
    reason,
    message: 'm',
  });

  test('only where nothing goes on by itself', async () => {
    expect(waitingForPerson(after(await planOf(), AT_5))).toEqual([]);
    expect(waitingForPerson(after(await planOf(), [...AT_5, paused('inconclusive')]))).toMatchObject([
      { app: 'web', commands: ['sluice resume r1', 'sluice promote r1', 'sluice abort r1'] },
    ]);
    const plan = await planOf(canary({ pause: true }));
    expect(waitingForPerson(after(plan, [...AT_5, paused('pauseStep')]))).toMatchObject([
      { commands: ['sluice approve r1', 'sluice reject r1 --reason "…"'] },
    ]);
    const steps = [
      { kind: 'weight', weight: 5 },
      { kind: 'pause', forMs: 60_000 },
    ] as const;
    expect(
      waitingForPerson(after(await planOf({ kind: 'canary', steps, analysis: null, soakMs: 0 }), [...AT_5, paused('pauseStep')])),
    ).toEqual([]);
    expect(waitingForPerson(after(await planOf(), [...AT_5, { type: 'PauseRequested', by: 'bo', reason: 'lunch' }]))).toMatchObject([
      { app: null, message: 'paused by bo: lunch' },
    ]);
  });
});

describe('painting', () => {
  /** What a terminal would show. */
  function screen(writes: string): string[] {
    const rows: string[] = [''];
    let row = 0;
    for (const part of writes.match(/\u001b\[\??\d*[A-Za-z]|\n|\r|[^\u001b\n\r]+/g) ?? []) {
      const up = /^\u001b\[(\d+)A$/.exec(part);
      if (up !== null) row -= Number(up[1]);
      else if (part === '\n') rows[(row += 1)] ??= '';
      else if (part === '\u001b[J') rows.splice(row, rows.length, '');
      else if (!part.startsWith('\u001b') && part !== '\r') rows[row] = part;
    }
    return rows;
  }

  test('replaces its own lines, keeps what is said in between, and leaves the last state', () => {
    let writes = '';
    const painter = createPainter(
      (text) => (writes += text),
      () => 24,
    );
    painter.paint(['a', 'b', 'c']);
    painter.paint(['A', 'B']);
    painter.above('note');
    painter.paint(['1', '2', '3']);
    painter.done();
    expect(screen(writes)).toEqual(['note', '1', '2', '3', '']);
    expect(writes.startsWith('\u001b[?25l')).toBe(true);
    expect(writes.endsWith('\u001b[?25h')).toBe(true);
  });

  test('never paints more than fits, and nothing when nothing changed', () => {
    let writes = '';
    const painter = createPainter(
      (text) => (writes += text),
      () => 4,
    );
    painter.paint(['1', '2', '3', '4', '5']);
    expect(screen(writes)).toEqual(['1', '2', '… 3 more', '']);
    const before = writes;
    painter.paint(['1', '2', '3', '4', '5']);
    expect(writes).toBe(before);
  });
});

test('words', () => {
  expect([0, 40, 999, 1000, 59_400, 60_000, 90_000, 3_600_000, 5_400_000, 100_000_000].map(duration)).toEqual([
    '0 s',
    '40 ms',
    '999 ms',
    '1 s',
    '59 s',
    '1 min',
    '1 min 30 s',
    '1 h',
    '1 h 30 min',
    '1 d 3 h',
  ]);
  expect([0, 61_000, 100_000_000].map(age)).toEqual(['now', '1 min', '1 d']);
  expect([7, 1204, 1234567].map(count)).toEqual(['7', '1 204', '1 234 567']);
  expect(
    table([
      ['a', 'bb', 'c'],
      ['aaa', '\u001b[31mb\u001b[39m', ''],
    ]),
  ).toEqual(['a    bb  c', 'aaa  \u001b[31mb\u001b[39m']);
  const steps = [
    { kind: 'weight', weight: 5 },
    { kind: 'bake', forMs: 1_800_000 },
    { kind: 'pause', forMs: null },
    { kind: 'weight', weight: 50 },
    { kind: 'pause', forMs: 60_000 },
    { kind: 'bake', forMs: 1000 },
  ] as const;
  expect(strategyWords({ kind: 'canary', steps, analysis: null, soakMs: 0 })).toBe(
    'canary: 5 % for 30 min → wait for approval → 50 % → pause 1 min → look for 1 s → 100 %',
  );
  expect(strategyWords({ kind: 'blueGreen', confirm: true, bakeMs: 300_000, analysis: null, soakMs: 30_000 })).toBe(
    'blue/green: wait for approval → 100 % for 5 min, watched, the old one kept for 30 s',
  );
  expect(strategyWords({ kind: 'allAtOnce', soakMs: 30_000 })).toBe('all at once, the old one kept for 30 s');
  expect(strategyWords({ kind: 'recreate' })).toBe('recreate: stop the old one, start the new one');
});
