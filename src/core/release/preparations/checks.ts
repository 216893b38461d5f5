import type { EvidenceLine, WaiverUse } from '../../gates/report.ts';
import type { ChecklistLine } from '../state/checklist-line.ts';
import { duration } from '../../text/words.ts';
import { line, type PreparationStage, type ReleaseView } from './stage.ts';

export interface PlannedChecks {
  readonly apps: readonly {
    readonly app: string;
    /** What its lines are new against; null: all of them are. */
    readonly base: string | null;
  }[];
  readonly deadlineMs: number;
}

/** What the checks of one app came to. */
export interface CheckEvidence {
  readonly app: string;
  readonly verdict: 'passed' | 'failed' | 'none';
  readonly evidence: readonly EvidenceLine[];
  readonly waivers: readonly WaiverUse[];
}

export interface Types {
  readonly plan: { readonly checks?: PlannedChecks };
  readonly state: {
    readonly checks: { readonly at: number; readonly passed: boolean; readonly reports: readonly CheckEvidence[] } | null;
  };
  readonly event:
    | { readonly type: 'ChecksPassed'; readonly reports: readonly CheckEvidence[] }
    | { readonly type: 'ChecksFailed'; readonly reports: readonly CheckEvidence[]; readonly reason: string };
  /** Run the checks and gates of the plan. */
  readonly effect: { readonly kind: 'check'; readonly checks: PlannedChecks; readonly commit: string | null };
}

/** Checks and gates of the apps. The release holds nothing meanwhile. */
export const checks: PreparationStage<Types> = {
  name: 'checks',
  during: 'checking',
  planned: 'checks',
  initial: { checks: null },
  events: { ChecksPassed: 'good', ChecksFailed: 'bad' },
  fold(_release, event, at) {
    const passed = event.type === 'ChecksPassed';
    const kept = { checks: { at, passed, reports: event.reports } };
    return passed ? { kept, isDone: true } : { kept, failed: { code: 'CHECKS_FAILED', message: event.reason } };
  },
  isDone: ({ preparation }) => preparation.checks?.passed === true,
  effect({ plan }) {
    if (plan.checks === undefined) return null;
    return {
      want: 'perform',
      effect: { kind: 'check', checks: plan.checks, commit: plan.source.commit },
      deadlineMs: plan.checks.deadlineMs,
    };
  },
  words: {
    name: 'checks',
    about: 'Checks and gates that come first.',
    plan: ({ checks: planned }) => (planned === undefined ? [] : [`checks and gates of ${appsOf(planned)} must pass`]),
    event: (event) => (event.type === 'ChecksPassed' ? 'checks passed' : `checks failed: ${event.reason}`),
    progress,
    checklist: (release) => SUBJECTS.map(([item, subjects]) => checked(release, item, subjects)),
  },
};

/** How many lines of evidence are shown. */
const EVIDENCE_SHOWN = 3;

function progress({ plan, stage, stageSince, preparation }: ReleaseView<Types>, now: number) {
  if (plan.checks === undefined) return null;
  const apps = appsOf(plan.checks);
  if (preparation.checks === null)
    return stage === 'checking'
      ? ({ mark: 'progressing', text: `run for ${apps}, ${duration(now - stageSince)}` } as const)
      : ({ mark: 'pending', text: apps } as const);
  const shown = preparation.checks.reports.flatMap(({ evidence }) => evidence).filter(({ result }) => result !== 'notApplicable');
  const text = shown
    .slice(0, EVIDENCE_SHOWN)
    .map(({ subject, text: found }) => `${subject}: ${found}`)
    .join('; ');
  return { mark: preparation.checks.passed ? 'done' : 'failed', text: text === '' ? apps : text } as const;
}

/** Subjects of evidence, by line of the checklist. */
const SUBJECTS: readonly [string, readonly string[]][] = [
  ['quality', ['quality', 'findings', 'duplication', 'lint', 'types', 'build']],
  ['tests', ['tests', 'test', 'unit', 'integration', 'e2e']],
  ['coverage', ['coverage']],
  ['scans', ['scan', 'scans', 'secrets', 'licences']],
  ['dependencies', ['dependencies']],
];

function checked(release: ReleaseView<Types>, item: string, subjects: readonly string[]): ChecklistLine {
  const { plan, preparation, id } = release;
  if (plan.checks === undefined) return line(item, 'notApplicable', whyUnchecked(release));
  if (preparation.checks === null) return line(item, 'open', 'its checks have not ended yet');
  const found = preparation.checks.reports.flatMap(({ app, evidence }) =>
    evidence.filter(({ subject }) => subjects.includes(subject)).map((one) => ({ app, ...one })),
  );
  const relevant = found.filter(({ result }) => result !== 'notApplicable');
  const [first] = relevant;
  if (first === undefined) return line(item, 'notApplicable', found[0]?.text ?? 'no check or gate of these apps looks at it');
  const failed = relevant.filter(({ result }) => result === 'failed');
  const shown = failed.length > 0 ? failed : relevant;
  const proof = shown.find((one: EvidenceLine) => one.proof !== null)?.proof ?? `sluice status ${id}`;
  return line(item, failed.length > 0 ? 'failed' : 'done', shown.map(({ app, text }) => `${app}: ${text}`).join('; '), proof);
}

function whyUnchecked({ plan }: ReleaseView<Types>): string {
  if (plan.breakGlass !== undefined) return `set aside in an emergency: ${plan.breakGlass.reason}`;
  if (plan.promotedFrom !== undefined) return `checked on the way to ${plan.promotedFrom}; the same artifacts`;
  return plan.kind === 'rollback' ? 'these versions have been released before' : 'the apps have no checks or gates';
}

function appsOf({ apps }: PlannedChecks): string {
  return apps.map(({ app }) => app).join(', ');
}
