import type { Notice } from './notice.ts';
import type { ReleaseEvent } from '../release/state/events.ts';
import type { ReleaseState } from '../release/state/state.ts';
import { approversText } from './approval.ts';

/** Whether people may have to be told of it: all other events are passed over without a look at their release. */
export function mayNeedPeople(event: { readonly type: string; readonly outcome?: unknown }): boolean {
  if (event.type === 'ReleaseEnded') return event.outcome === 'RollbackFailed';
  return event.type === 'ApprovalRequested' || event.type === 'RollbackRefused';
}

/** What to tell people because of an event, given how its release stands now; null: nothing. */
export function noticeOf(event: ReleaseEvent, state: ReleaseState, at: number): Notice | null {
  const { id, plan } = state;
  const names = plan.apps.map(({ app }) => app);
  const of = (occasion: Notice['occasion'], title: string, action: string): Notice => ({
    key: `${id}/${occasion}`,
    occasion,
    release: id,
    environment: plan.environment,
    apps: names,
    title,
    action,
    at,
  });
  const what = `${names.join(', ')} to ${plan.environment}`;
  if (event.type === 'ApprovalRequested' && plan.approval !== undefined) {
    const say = `sluice approve ${id}, or sluice reject ${id} --reason "…"`;
    // An emergency is told whatever has become of it since.
    if (plan.breakGlass !== undefined)
      return of('breakGlass', `EMERGENCY: ${state.by} wants ${what} past all rules: ${plan.breakGlass.reason}`, say);
    if (state.stage !== 'awaiting') return null;
    return of('approval', `${state.by} asks for approval of ${what}: ${approversText(plan.approval)}`, say);
  }
  if (event.type === 'RollbackRefused')
    return of('rollbackRefused', `release ${id} of ${what} cannot be put back: ${event.reason}`, `sluice status ${id}`);
  if (event.type === 'ReleaseEnded' && event.outcome === 'RollbackFailed')
    return of(
      'rollbackFailed',
      `release ${id} of ${what} could not be put back: ${event.reason}`,
      `sluice status ${id}, sluice manifest -e ${plan.environment}`,
    );
  return null;
}
