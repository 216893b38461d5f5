import { createHash } from 'node:crypto';
import { appendFileSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Effect } from '../../src/core/release/runbook/effects.ts';
import type { ReleaseEvent } from '../../src/core/release/state/events.ts';
import { evolve } from '../../src/core/release/state/evolve.ts';
import { next } from '../../src/core/release/runbook/next.ts';
import {
  versionId,
  withHash,
  type Concurrency,
  type Plan,
  type PlannedApp,
  type Strategy,
  type VersionRef,
} from '../../src/core/release/plan/plan.ts';
import type { PerformContext, Performer, Runbook } from '../../src/engine/runbook.ts';
import type { RunSpec } from '../../src/core/app/run.ts';

export const runbook: Runbook = { evolve, next };

const RUN = { command: ['true'], env: {}, instances: 1 } as unknown as RunSpec;

export interface PlanOptions {
  readonly environment?: string;
  /** Sources of the release: equal text, equal artifact. */
  readonly source?: string;
  readonly strategy?: Strategy;
  readonly concurrency?: Concurrency;
  readonly dependsOn?: Readonly<Record<string, readonly string[]>>;
}

export function planOf(apps: readonly string[], options: PlanOptions = {}): Plan {
  const { environment = 'production', source = 'one', strategy = { kind: 'allAtOnce', soakMs: 0 }, concurrency = 'queue' } = options;
  return withHash({
    schema: 1,
    workspace: 'w',
    environment,
    kind: 'deploy',
    source: { commit: source, branch: 'main', dirty: false },
    apps: apps.map((app): PlannedApp => ({
      app,
      path: app,
      platform: 'fake',
      dependsOn: options.dependsOn?.[app] ?? [],
      reason: 'source changed',
      fingerprint: `f-${app}-${source}`,
      artifact: null,
      stable: null,
      build: null,
      run: RUN,
      health: null,
      smoke: null,
      routes: [{ host: null, pathPrefix: '/' }],
      sticky: { by: 'cookie' },
      strategy,
      deadlines: { buildMs: 60_000, healthyMs: 30_000, smokeMs: 10_000, progressMs: 600_000 },
      concurrency,
    })),
    unchanged: [],
    deadlines: { queueMs: 600_000, pauseMs: 600_000, rollbackMs: 60_000 },
  });
}

export function versionOf(app: string, source: string): VersionRef {
  const artifact = `sha256:${createHash('sha256').update(`${app} ${source}`).digest('hex')}`;
  return { id: versionId(artifact, RUN, null), artifact, commit: source, run: RUN, health: null };
}

/** A line of the journal: the outside world's own record of what was done to it. */
export interface Done {
  readonly what: 'begin' | 'end' | 'stopped';
  readonly release: string;
  readonly kind: string;
  readonly key: string;
  readonly fence: number;
  readonly pid: number;
  readonly at: number;
}

export interface FakePerformerOptions {
  /** File that all control planes of a test write to. */
  readonly journal?: string;
  /** How long each effect takes, ms. */
  readonly takesMs?: number | ((effect: Effect) => number);
  readonly answer?: (effect: Effect, context: PerformContext) => readonly ReleaseEvent[] | null;
}

export interface FakePerformer extends Performer {
  readonly done: Done[];
}

/** Does nothing but say it was done, in its own time. */
export function fakePerformer(options: FakePerformerOptions = {}): FakePerformer {
  const done: Done[] = [];
  const note = (what: Done['what'], effect: Effect, context: PerformContext) => {
    const line: Done = {
      what,
      release: context.release,
      kind: effect.kind,
      key: effect.key,
      fence: context.fence,
      pid: process.pid,
      at: Date.now(),
    };
    done.push(line);
    if (options.journal !== undefined) appendFileSync(options.journal, `${JSON.stringify(line)}\n`);
  };
  return {
    done,
    async perform(effect, context) {
      note('begin', effect, context);
      const takes = typeof options.takesMs === 'function' ? options.takesMs(effect) : (options.takesMs ?? 0);
      if (takes > 0) await sleep(takes, undefined, { signal: context.signal }).catch(() => {});
      if (context.signal.aborted) {
        note('stopped', effect, context);
        throw context.signal.reason;
      }
      const events = options.answer?.(effect, context) ?? answerOf(effect, context);
      note('end', effect, context);
      return events;
    },
  };
}

export function readJournal(file: string): Done[] {
  const lines = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line) as Done);
}

function answerOf(effect: Effect, context: PerformContext): readonly ReleaseEvent[] {
  switch (effect.kind) {
    case 'build':
      return [
        {
          type: 'ArtifactBuilt',
          app: effect.app.app,
          version: versionOf(effect.app.app, context.state.plan.source.commit ?? ''),
          reused: false,
          log: null,
        },
      ];
    case 'deploy':
      return [{ type: 'VersionDeployed', app: effect.app.app, version: effect.version.id }];
    case 'verify':
      return [{ type: 'VersionHealthy', app: effect.app.app, version: effect.version.id }];
    case 'smoke':
      return [{ type: 'SmokePassed', app: effect.app.app, version: effect.version.id }];
    case 'shift':
      return [{ type: 'WeightsShifted', app: effect.app.app, weights: effect.weights, toProve: false }];
    case 'probe':
      return [{ type: 'RoutesProven', app: effect.app.app, version: effect.version.id, routes: [] }];
    case 'retire':
      return [{ type: 'VersionRetired', app: effect.app.app, version: effect.version.id }];
    case 'collect':
      return [{ type: 'SampleCollected', app: effect.app.app, sample: null, reading: null }];
    default:
      throw new Error(`not for a performer: ${effect.kind}`);
  }
}

/** Poll until it is so. */
export async function until<T>(
  what: string,
  look: () => Promise<T | null | undefined | false> | T | null | undefined | false,
  timeoutMs = 15_000,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const seen = await look();
    if (seen !== null && seen !== undefined && seen !== false) return seen;
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms for ${what}`);
    await sleep(20);
  }
}
