import { describe, expect, it } from 'vitest';
import {
  acquired,
  at,
  built,
  CANARY,
  deployed,
  given,
  healthy,
  NEW,
  OLD,
  requested,
  shifted,
  started,
} from '../../../../test/worlds/histories.ts';
import type { Effect } from '../runbook/effects.ts';
import type { ReleaseEvent } from '../state/events.ts';
import { next } from '../runbook/next.ts';
import type { Plan } from '../plan/plan.ts';

const STAGES: Partial<Plan> = {
  backup: { databases: ['shop'], deadlineMs: 60_000 },
  migrations: { databases: [{ database: 'shop', migrations: [{ id: '001_kind', checksum: 'c' }] }], deadlineMs: 60_000 },
  projections: { projections: [{ name: 'balance', version: '2' }], deadlineMs: 60_000 },
};
const HERE = requested(CANARY, OLD, STAGES);
const SAVED: ReleaseEvent = { type: 'RestorePointMade', points: [{ database: 'shop', id: 'p1', at: 0 }] };
const READY: ReleaseEvent = { type: 'ProjectionsReady', ready: [{ name: 'balance', version: '2', events: 9, ms: 9 }] };

function applied(works: boolean): ReleaseEvent {
  const old = { works, reason: works ? null : '001_kind took away account.name, which the version before reads' };
  return { type: 'MigrationsApplied', applied: [{ database: 'shop', id: '001_kind', ms: 9 }], old };
}

/** Everything prepared, and the new version has a share of the traffic. */
const OUT = (works: boolean): readonly ReleaseEvent[] => [
  HERE,
  acquired(OLD),
  SAVED,
  applied(works),
  READY,
  started(),
  built(),
  deployed(),
  healthy(),
  shifted(5),
];
const BAD: ReleaseEvent = {
  type: 'RollbackStarted',
  cause: { kind: 'verdict', app: 'web', code: 'ANALYSIS_FAILED', message: 'too many errors' },
};

function kinds(history: readonly ReleaseEvent[], now = 0): readonly string[] {
  return next(given(history), now).effects.map(({ kind }) => kind);
}

function recorded(effects: readonly Effect[]): readonly string[] {
  return effects.flatMap((effect) => (effect.kind === 'record' ? effect.events.map(({ type }) => type) : [effect.kind]));
}

describe('what was approved in time, and whose turn came in time, but too late to be done', () => {
  const plan: Partial<Plan> = { ...STAGES, approval: { number: 1, from: [], expiresMs: 5000, authors: [] } };
  const hash = (requested(CANARY, OLD, plan) as Extract<ReleaseEvent, { type: 'ReleaseRequested' }>).plan.hash;
  const line: readonly (ReleaseEvent | ReturnType<typeof at>)[] = [
    requested(CANARY, OLD, plan),
    { type: 'ApprovalRequested', planHash: hash, artifacts: { web: null }, expiresAt: 5000 },
    at(4999, { type: 'ApprovalGiven', by: 'bob', planHash: hash, note: null }),
  ];

  it('is done to nothing, and gives back what it got', () => {
    expect(next(given(line), 4999).effects.map(({ kind }) => kind)).toEqual(['reserve']);
    expect(next(given([...line, at(4999, acquired(OLD))]), 4999).effects.map(({ kind }) => kind)).toEqual(['backup']);
    const late = given([...line, at(5000, acquired(OLD))]);
    expect(recorded(next(late, 5000).effects)).toEqual(['ApprovalExpired', 'ReleaseEnded']);
    const ended = given([
      ...line,
      at(5000, acquired(OLD)),
      { type: 'ApprovalExpired' },
      { type: 'ReleaseEnded', outcome: 'Errored', reason: 'r', checklist: [] },
    ]);
    expect(next(ended, 5000).effects.map(({ kind }) => kind)).toEqual(['unreserve']);
  });
});

describe('what a release does to data before its apps', () => {
  it('comes after the apps are its own, one after another: restore point, migrations, projections, rollouts', () => {
    expect(kinds([HERE])).toEqual(['reserve']);
    expect(kinds([HERE, acquired(OLD)])).toEqual(['backup']);
    expect(kinds([HERE, acquired(OLD), SAVED])).toEqual(['migrate']);
    expect(kinds([HERE, acquired(OLD), SAVED, applied(true)])).toEqual(['rebuild']);
    expect(recorded(next(given([HERE, acquired(OLD), SAVED, applied(true), READY]), 0).effects)).toEqual(['RolloutStarted']);
  });

  it('a migration that fails ends it before any app is touched', () => {
    const failed: ReleaseEvent = { type: 'MigrationsFailed', reason: 'shop: syntax error' };
    const history = [HERE, acquired(OLD), SAVED, failed];
    expect(recorded(next(given(history), 0).effects)).toEqual(['RollbackStarted']);
    const back: ReleaseEvent = {
      type: 'RollbackStarted',
      cause: { kind: 'verdict', app: null, code: 'MIGRATION_FAILED', message: 'shop: syntax error' },
    };
    expect(next(given([...history, back]), 0).effects).toMatchObject([
      { kind: 'record', events: [{ type: 'ReleaseEnded', reason: expect.stringContaining('shop: syntax error') }] },
    ]);
  });

  it('projections that are not right are taken away again', () => {
    const failed: ReleaseEvent = { type: 'ProjectionsFailed', reason: 'balance: 3 rows differ' };
    const back: ReleaseEvent = {
      type: 'RollbackStarted',
      cause: { kind: 'verdict', app: null, code: 'PROJECTION_FAILED', message: 'balance: 3 rows differ' },
    };
    expect(kinds([HERE, acquired(OLD), SAVED, applied(true), failed, back])).toEqual(['revert']);
  });

  it('read models go back last, once nothing reads the new ones', () => {
    expect(kinds([...OUT(true), BAD])).not.toContain('revert');
    expect(kinds([...OUT(true), BAD])).toContain('shift');
  });
});

describe('FL#1186: going back is refused where the version before cannot read what is there now', () => {
  it('nothing is moved: it says so, and ends as RollbackFailed', () => {
    const [refusal, ...others] = next(given([...OUT(false), BAD]), 0).effects;
    expect(others).toEqual([]);
    expect(refusal).toMatchObject({ kind: 'record', events: [{ type: 'RollbackRefused', reason: expect.stringContaining('took away') }] });
    const refused: ReleaseEvent = { type: 'RollbackRefused', reason: '001_kind took away account.name' };
    expect(next(given([...OUT(false), BAD, refused]), 0).effects).toMatchObject([
      { kind: 'record', events: [{ type: 'ReleaseEnded', outcome: 'RollbackFailed' }] },
    ]);
  });

  it('as long as the old version has all the traffic there is nothing to go back to it', () => {
    const early = [HERE, acquired(OLD), SAVED, applied(false), READY, started(), built(), deployed(), BAD];
    expect(recorded(next(given(early), 0).effects)).not.toContain('RollbackRefused');
  });

  it('a rollback asks first, and changes nothing when the answer is no', () => {
    const rollback = requested(CANARY, NEW, { kind: 'rollback', schemaGate: { deadlineMs: 1_000 } });
    expect(kinds([rollback, acquired(NEW)])).toEqual(['fit']);
    const no: ReleaseEvent = { type: 'SchemaIncompatible', reason: '001_kind took away account.name' };
    expect(recorded(next(given([rollback, acquired(NEW), no]), 0).effects)).toEqual(['RollbackRefused', 'RollbackStarted']);
    expect(kinds([rollback, acquired(NEW), { type: 'SchemaCompatible' }])).toEqual(['record']);
  });
});
