import { UserError } from '../../core/errors.ts';
import type { Base } from '../../core/gates/base.ts';
import type { Effect } from '../../core/release/runbook/effects.ts';
import type { ReleaseEvent } from '../../core/release/state/events.ts';
import type { CheckEvidence } from '../../core/release/preparations/stages.ts';
import type { PerformContext } from '../runbook.ts';
import type { PerformPorts, StageRequest } from './ports.ts';

/** The stages between a plan and its rollouts. A plan that has one needs its port. */

type Performing<K extends Effect['kind']> = (
  ports: PerformPorts,
  effect: Extract<Effect, { kind: K }>,
  context: PerformContext,
) => Promise<readonly ReleaseEvent[]>;

/** Checks bring their own concurrency; this many apps at once keep it busy. */
const APPS_AT_ONCE = 2;
const REASONS_SHOWN = 5;

export const performCheck: Performing<'check'> = async (ports, effect, context) => {
  const checks = present(ports.checks, 'checks');
  const { plan } = context.state;
  const waiting = [...effect.checks.apps];
  const reports: CheckEvidence[] = [];
  const worker = async (): Promise<void> => {
    for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) {
      const fingerprint = plan.apps.find(({ app }) => app === one.app)?.fingerprint ?? '';
      const { app } = one;
      // A plan names the commit that runs there; none does before the first release.
      const base: Base = one.base === null ? { kind: 'none', why: 'Nothing of it runs there yet.' } : { kind: 'commit', commit: one.base };
      const report = await checks.run({ app, base, fingerprint, commit: effect.commit ?? '' }, context.signal);
      reports.push({ app, verdict: report.verdict, evidence: report.evidence, waivers: report.waivers });
    }
  };
  await Promise.all(Array.from({ length: APPS_AT_ONCE }, worker));
  context.signal.throwIfAborted();
  const order = effect.checks.apps.map(({ app }) => app);
  const sorted = reports.toSorted((a, b) => order.indexOf(a.app) - order.indexOf(b.app));
  const failed = sorted.filter(({ verdict }) => verdict === 'failed');
  if (failed.length === 0) return [{ type: 'ChecksPassed', reports: sorted }];
  return [{ type: 'ChecksFailed', reports: sorted, reason: failed.map(whyFailed).join('; ') }];
};

export const performFit: Performing<'fit'> = async (ports, effect, context) => {
  const migrations = present(ports.migrations, 'migrations');
  const fit = await migrations.worksWith(requestOf(effect, context), effect.apps, context.signal);
  return [
    fit.works ? { type: 'SchemaCompatible' } : { type: 'SchemaIncompatible', reason: fit.reason ?? 'it cannot work with the schema' },
  ];
};

export const performBackup: Performing<'backup'> = async (ports, effect, context) => {
  const points = await present(ports.backup, 'backups').restorePoints(requestOf(effect, context), effect.backup, context.signal);
  const missing = effect.backup.databases.filter((database) => !points.some((point) => point.database === database));
  if (missing.length > 0) throw new UserError('RESTORE_POINT_MISSING', `no restore point of ${missing.join(', ')} was made`, null);
  return [{ type: 'RestorePointMade', points }];
};

export const performMigrate: Performing<'migrate'> = async (ports, effect, context) => {
  const outcome = await present(ports.migrations, 'migrations').apply(requestOf(effect, context), effect.migrations, context.signal);
  return [
    outcome.failed === null
      ? { type: 'MigrationsApplied', applied: outcome.applied, old: outcome.old }
      : { type: 'MigrationsFailed', reason: outcome.failed },
  ];
};

export const performRebuild: Performing<'rebuild'> = async (ports, effect, context) => {
  const outcome = await present(ports.projections, 'projections').rebuild(requestOf(effect, context), effect.projections, context.signal);
  return [
    outcome.failed === null ? { type: 'ProjectionsReady', ready: outcome.ready } : { type: 'ProjectionsFailed', reason: outcome.failed },
  ];
};

export const performRevert: Performing<'revert'> = async (ports, effect, context) => {
  await present(ports.projections, 'projections').revert(requestOf(effect, context), effect.projections, context.signal);
  return [{ type: 'ProjectionsReverted' }];
};

function requestOf(effect: Effect, { release, environment, fence, state }: PerformContext): StageRequest {
  return { release, environment, fence, key: `${release}/${effect.key}`, commit: state.plan.source.commit };
}

function present<T>(port: T | undefined, what: string): T {
  if (port !== undefined) return port;
  throw new UserError(
    'STAGE_UNAVAILABLE',
    `the plan asks for ${what}, and this control plane has nothing that does them`,
    'Run the control plane that made the plan, or take it out of the configuration.',
  );
}

function whyFailed({ app, evidence }: CheckEvidence): string {
  const lines = evidence.filter(({ result }) => result === 'failed').map(({ subject, text }) => `${subject}: ${text}`);
  const more = lines.length > REASONS_SHOWN ? ` and ${lines.length - REASONS_SHOWN} more` : '';
  return `${app} (${lines.slice(0, REASONS_SHOWN).join('; ')}${more})`;
}
