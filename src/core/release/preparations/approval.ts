import { approvalRefusal, approversText, type ApprovalState, isApproved, type PlannedApproval } from '../../access/approval.ts';
import type { ChecklistLine } from '../state/checklist-line.ts';
import { duration } from '../../text/words.ts';
import { type End, type Folded, line, type PreparationStage, type Progress, type ReleaseView, type Want } from './stage.ts';

export interface Types {
  readonly plan: { readonly approval?: PlannedApproval };
  readonly state: { readonly approval: ApprovalState | null };
  readonly event:
    /** `artifacts`: digest of each app's artifact where it exists already; null: it is built from the plan's commit. */
    | {
        readonly type: 'ApprovalRequested';
        readonly planHash: string;
        readonly artifacts: Readonly<Record<string, string | null>>;
        readonly expiresAt: number;
      }
    | ApprovalGiven
    | { readonly type: 'ApprovalRejected'; readonly by: string; readonly reason: string }
    | { readonly type: 'ApprovalExpired' };
  readonly effect: never;
}

interface ApprovalGiven {
  readonly type: 'ApprovalGiven';
  readonly by: string;
  readonly planHash: string;
  readonly note: string | null;
}

/** People say yes to this very plan (invariant 9). The release holds nothing and runs nothing meanwhile. */
export const approval: PreparationStage<Types> = {
  name: 'approval',
  during: 'awaiting',
  planned: 'approval',
  initial: { approval: null },
  events: { ApprovalRequested: 'attention', ApprovalGiven: 'good', ApprovalRejected: 'bad', ApprovalExpired: 'bad' },
  fold(release, event, at) {
    const { approval: asked } = release.preparation;
    switch (event.type) {
      case 'ApprovalRequested':
        if (asked !== null) return {};
        return { kept: { approval: { askedAt: at, expiresAt: event.expiresAt, planHash: event.planHash, given: [], rejected: null } } };
      case 'ApprovalGiven':
        return approved(release, event, at);
      case 'ApprovalRejected':
        if (asked === null || release.stage !== 'awaiting') return {};
        return { kept: { approval: { ...asked, rejected: { by: event.by, at, reason: event.reason } } } };
      case 'ApprovalExpired':
        return {};
    }
  },
  isDone: isApproved,
  effect: ask,
  lapsed: expired,
  lapsesAt: ({ preparation }) => preparation.approval?.expiresAt ?? Infinity,
  words: {
    name: 'approval',
    about: 'Who has to say yes before anything happens.',
    plan: ({ approval: rule }) => (rule === undefined ? [] : [`approval by ${approversText(rule)}, within ${duration(rule.expiresMs)}`]),
    event(event) {
      switch (event.type) {
        case 'ApprovalRequested':
          return 'waits for approval';
        case 'ApprovalGiven':
          return `approved by ${event.by}${event.note === null ? '' : `: ${event.note}`}`;
        case 'ApprovalRejected':
          return `rejected by ${event.by}: ${event.reason}`;
        case 'ApprovalExpired':
          return 'the request for approval has expired';
      }
    },
    progress,
    checklist: (release) => [checklistLine(release)],
  },
};

/** An approval that does not count leaves no trace in the state, however it came into the log. */
function approved(release: ReleaseView<Types>, event: ApprovalGiven, at: number): Folded<Types['state']> {
  const { approval: asked } = release.preparation;
  if (asked === null || release.stage !== 'awaiting' || approvalRefusal(release, event.by, event.planHash, at) !== null) return {};
  const kept = { approval: { ...asked, given: [...asked.given, { by: event.by, at, note: event.note }] } };
  return { kept, isDone: isApproved({ plan: release.plan, preparation: kept }) };
}

/** A person's word, or the end of the time for it, comes next. */
function ask(release: ReleaseView<Types>, now: number): Want<Types['event'], never> | null {
  const { plan, preparation } = release;
  if (preparation.approval === null) {
    const artifacts = Object.fromEntries(plan.apps.map(({ app, artifact }) => [app, artifact]));
    const expiresAt = now + (plan.approval?.expiresMs ?? 0);
    return { want: 'record', key: 'ask', event: { type: 'ApprovalRequested', planHash: plan.hash, artifacts, expiresAt } };
  }
  const { rejected, expiresAt } = preparation.approval;
  if (rejected !== null) return { want: 'end', outcome: 'Aborted', reason: `rejected by ${rejected.by}: ${rejected.reason}`, first: [] };
  return expired(release, now) ?? { want: 'wait', until: expiresAt };
}

function expired({ preparation }: ReleaseView<Types>, at: number): End<Types['event']> | null {
  const { approval: asked } = preparation;
  if (asked === null || at < asked.expiresAt) return null;
  const reason = asked.given.length === 0 ? 'nobody approved it in time' : 'it was not approved and started in time';
  return { want: 'end', outcome: 'Errored', reason, first: [{ type: 'ApprovalExpired' }] };
}

/** Apps that run another version now than the one an approved plan was looked at with, in words; null: none. */
export function movedSince(
  plan: Types['plan'] & { readonly apps: readonly { readonly app: string; readonly stable: { readonly id: string } | null }[] },
  stables: Readonly<Record<string, { readonly id: string } | null>>,
): string | null {
  if (plan.approval === undefined) return null;
  const moved = plan.apps.filter(({ app, stable }) => (stables[app] ?? null)?.id !== stable?.id);
  if (moved.length === 0) return null;
  return moved
    .map(({ app, stable }) => `${app} runs ${stables[app]?.id ?? 'nothing'}, not ${stable?.id ?? 'nothing'} as in the plan`)
    .join('; ');
}

function progress({ plan, stage, preparation }: ReleaseView<Types>, now: number): Progress | null {
  const rule = plan.approval;
  if (rule === undefined) return null;
  const { number } = rule;
  const asked = preparation.approval;
  if (asked === null) return { mark: 'pending', text: `by ${number}` };
  const given = `${asked.given.length} of ${number}`;
  if (stage !== 'awaiting') return { mark: 'done', text: `${given}: ${asked.given.map(({ by }) => by).join(', ')}` };
  return { mark: 'waits', text: `${given}, for another ${duration(Math.max(0, asked.expiresAt - now))}` };
}

function checklistLine({ plan, preparation: { approval: asked }, id }: ReleaseView<Types>): ChecklistLine {
  if (plan.approval === undefined) return line('approval', 'notApplicable', `${plan.environment} asks for none`);
  if (asked === null) return line('approval', 'open', 'not asked for yet');
  if (asked.rejected !== null)
    return line('approval', 'failed', `rejected by ${asked.rejected.by}: ${asked.rejected.reason}`, `sluice status ${id}`);
  const by = asked.given.map((one) => `${one.by} at ${new Date(one.at).toISOString()}`).join(', ');
  if (asked.given.length < plan.approval.number) return line('approval', 'open', `${asked.given.length} of ${plan.approval.number} given`);
  const emergency = plan.breakGlass === undefined ? '' : ` (emergency: ${plan.breakGlass.reason})`;
  return line('approval', 'done', `plan ${asked.planHash.slice(0, 19)} approved by ${by}${emergency}`, asked.planHash);
}
