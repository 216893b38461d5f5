import { SluiceError } from '../../core/errors.ts';
import type { Outcome } from '../../core/release/state/events.ts';
import type { Plan } from '../../core/release/plan/plan.ts';

/** What a script may rely on. */
export const EXIT = {
  ok: 0,
  /** Something broke, or a person stopped it. */
  error: 1,
  /** The command line is wrong. */
  usage: 2,
  /** The evidence was bad: a gate, a check or the analysis said no, before users had it. */
  failed: 3,
  /** It waits for a person, or nothing was done because of something that a person has to decide. */
  waiting: 4,
  /** Users had it, and it was put back. */
  rolledBack: 5,
  /** Not allowed. */
  denied: 6,
  /** `--timeout` passed; the release goes on. */
  timeout: 124,
  /** Ctrl-C; the release goes on. */
  interrupted: 130,
} as const;

const USAGE: ReadonlySet<string> = new Set([
  'REQUEST_INVALID',
  'UNKNOWN_ENVIRONMENT',
  'UNKNOWN_APP',
  'APP_UNKNOWN',
  'UNKNOWN_VERSION',
  'RELEASE_UNKNOWN',
  'ENVIRONMENT_NEEDED',
  'RELEASE_NEEDED',
  'CONFIRMATION_NEEDED',
  'USAGE',
]);

const DENIED: ReadonlySet<string> = new Set(['UNAUTHORIZED', 'FORBIDDEN', 'APPROVAL_BY_AUTHOR', 'ROLE_MISSING']);

/**
 * What it means that a plan deploys nothing: all is there already, or something that should be deployed is kept back, which a person
 * has to decide; a workspace without apps is a mistake.
 */
export function exitOfPlan({ apps, unchanged }: Pick<Plan, 'apps' | 'unchanged'>): number {
  if (apps.length > 0) return EXIT.ok;
  if (unchanged.length === 0) return EXIT.error;
  return unchanged.some(({ keptBack }) => keptBack !== undefined) ? EXIT.waiting : EXIT.ok;
}

export function exitOfOutcome(outcome: Outcome | null): number {
  switch (outcome) {
    case 'Succeeded':
      return EXIT.ok;
    case 'Failed':
      return EXIT.failed;
    case 'RolledBack':
    case 'RollbackFailed':
      return EXIT.rolledBack;
    case 'Errored':
    case 'Aborted':
    case null:
      return EXIT.error;
  }
}

/** The same for a release that a person wants put back: being back is what was asked for. */
export function exitOfPuttingBack(outcome: Outcome | null): number {
  switch (outcome) {
    case 'Aborted':
    case 'RolledBack':
    case 'Failed':
    case 'Errored':
      return EXIT.ok;
    case 'RollbackFailed':
      return EXIT.rolledBack;
    case 'Succeeded':
    case null:
      return EXIT.error;
  }
}

export function exitOfError(error: unknown): number {
  if (!(error instanceof SluiceError)) return EXIT.error;
  if (USAGE.has(error.code)) return EXIT.usage;
  if (DENIED.has(error.code)) return EXIT.denied;
  if (error.code === 'TIMEOUT') return EXIT.timeout;
  if (error.code === 'INTERRUPTED') return EXIT.interrupted;
  return EXIT.error;
}
