import { UserError } from '../../core/errors.ts';
import type { Base } from '../../core/gates/base.ts';
import type { Effect } from '../../core/release/runbook/effects.ts';
import type { CheckEvidence } from '../../core/release/preparations/checks.ts';
import type { PreparationEffect, PreparationEvent } from '../../core/release/preparations/index.ts';
import type { Checks } from '../../ports/checks.ts';
import type { PerformContext } from '../runbook.ts';
import type { BackupStage, MigrationStage, ProjectionStage, StageEffects, StagePerformers, StageRequest } from './ports.ts';

/** The stages between a plan and its rollouts. A plan that has one needs what performs it. */
export async function performStage(
  performers: StagePerformers,
  effect: PreparationEffect & Pick<Effect, 'key'>,
  context: PerformContext,
): Promise<readonly PreparationEvent[]> {
  return perform(performers, effect, requestOf(effect.key, context), context.signal);
}

type Of<K extends PreparationEffect['kind']> = { [P in K]: { readonly kind: P } & StageEffects[P] }[K];

function perform<K extends PreparationEffect['kind']>(
  performers: StagePerformers,
  effect: Of<K>,
  request: StageRequest,
  signal: AbortSignal,
): Promise<readonly PreparationEvent[]> {
  const performer = performers[effect.kind];
  if (performer !== undefined) return performer(effect, request, signal);
  throw new UserError(
    'STAGE_UNAVAILABLE',
    `the plan asks to ${effect.kind}, and this control plane has nothing that does it`,
    'Run the control plane that made the plan, or take it out of the configuration.',
  );
}

export interface StageAdapters {
  readonly checks: Checks;
  readonly backup: BackupStage;
  readonly migrations: MigrationStage;
  readonly projections: ProjectionStage;
}

/** What the adapters of the stages answer, as events. */
export function stagePerformers({ checks, backup, migrations, projections }: StageAdapters): StagePerformers {
  return {
    check: (effect, request, signal) => checkAll(checks, effect, request, signal),
    async fit({ apps }, request, signal) {
      const fit = await migrations.worksWith(request, apps, signal);
      return [
        fit.works ? { type: 'SchemaCompatible' } : { type: 'SchemaIncompatible', reason: fit.reason ?? 'it cannot work with the schema' },
      ];
    },
    async backup({ backup: planned }, request, signal) {
      const points = await backup.restorePoints(request, planned, signal);
      const missing = planned.databases.filter((database) => !points.some((point) => point.database === database));
      if (missing.length > 0) throw new UserError('RESTORE_POINT_MISSING', `no restore point of ${missing.join(', ')} was made`, null);
      return [{ type: 'RestorePointMade', points }];
    },
    async migrate({ migrations: planned }, request, signal) {
      const { applied, old, failed } = await migrations.apply(request, planned, signal);
      return [failed === null ? { type: 'MigrationsApplied', applied, old } : { type: 'MigrationsFailed', reason: failed }];
    },
    async rebuild({ projections: planned }, request, signal) {
      const { ready, failed } = await projections.rebuild(request, planned, signal);
      return [failed === null ? { type: 'ProjectionsReady', ready } : { type: 'ProjectionsFailed', reason: failed }];
    },
    async revert({ projections: planned }, request, signal) {
      await projections.revert(request, planned, signal);
      return [{ type: 'ProjectionsReverted' }];
    },
  };
}

/** Checks bring their own concurrency; this many apps at once keep it busy. */
const APPS_AT_ONCE = 2;
const REASONS_SHOWN = 5;

async function checkAll(
  checks: Checks,
  { checks: { apps }, commit }: Extract<PreparationEffect, { kind: 'check' }>,
  { fingerprints }: StageRequest,
  signal: AbortSignal,
): Promise<readonly PreparationEvent[]> {
  const waiting = [...apps];
  const reports: CheckEvidence[] = [];
  const worker = async (): Promise<void> => {
    for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) {
      const { app } = one;
      // A plan names the commit that runs there; none does before the first release.
      const base: Base = one.base === null ? { kind: 'none', why: 'Nothing of it runs there yet.' } : { kind: 'commit', commit: one.base };
      const report = await checks.run({ app, base, fingerprint: fingerprints.get(app) ?? '', commit: commit ?? '' }, signal);
      reports.push({ app, verdict: report.verdict, evidence: report.evidence, waivers: report.waivers });
    }
  };
  await Promise.all(Array.from({ length: APPS_AT_ONCE }, worker));
  signal.throwIfAborted();
  const order = apps.map(({ app }) => app);
  const sorted = reports.toSorted((a, b) => order.indexOf(a.app) - order.indexOf(b.app));
  const failed = sorted.filter(({ verdict }) => verdict === 'failed');
  if (failed.length === 0) return [{ type: 'ChecksPassed', reports: sorted }];
  return [{ type: 'ChecksFailed', reports: sorted, reason: failed.map(whyFailed).join('; ') }];
}

function requestOf(key: string, { release, environment, fence, state: { plan } }: PerformContext): StageRequest {
  const fingerprints = new Map(plan.apps.map(({ app, fingerprint }) => [app, fingerprint]));
  return { release, environment, fence, key: `${release}/${key}`, commit: plan.source.commit, fingerprints };
}

function whyFailed({ app, evidence }: CheckEvidence): string {
  const lines = evidence.filter(({ result }) => result === 'failed').map(({ subject, text }) => `${subject}: ${text}`);
  const more = lines.length > REASONS_SHOWN ? ` and ${lines.length - REASONS_SHOWN} more` : '';
  return `${app} (${lines.slice(0, REASONS_SHOWN).join('; ')}${more})`;
}
