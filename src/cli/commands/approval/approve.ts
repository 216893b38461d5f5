import { Option } from 'commander';
import type { ReleaseState } from '../../../core/release/state/state.ts';
import { appOption } from '../../session/options.ts';
import { fullPlanText } from '../../view/plan.ts';
import { telling } from '../release/tell.ts';

interface ApproveOptions {
  readonly app?: string;
  readonly plan?: string;
  readonly note?: string;
}

export const approve = telling<ApproveOptions>({
  name: 'approve',
  help: [
    'A plan that waits is shown, and exactly that one is approved (--plan: only if it has this hash). Whoever asked for',
    'the release cannot approve it. In a release under way it ends pause steps, the wait before a blue/green switch, and a',
    'pause made by hand. It is not a way past an analysis without a result: that is `resume` (look again) or `promote`.',
  ].join('\n'),
  options: [
    appOption(),
    new Option('--plan <hash>', 'approve only the plan with this hash, or this beginning of it'),
    new Option('--note <text>', 'for the audit log'),
  ],
  wanted: null,
  async body({ app, plan, note }, session, id) {
    const client = await session.client();
    const state = await client.get<ReleaseState>(`/v1/releases/${encodeURIComponent(id)}`);
    const waits = state.stage === 'awaiting';
    if (waits && !session.json) session.say(fullPlanText(state.plan, [], session.now()));
    return {
      ...(app === undefined ? {} : { app }),
      ...(note === undefined ? {} : { note }),
      ...(waits ? { planHash: hashOf(state.plan.hash, plan) } : {}),
    };
  },
});

/** What was named, unless it is the beginning of the one that waits: the control plane refuses any other. */
function hashOf(waiting: string, named: string | undefined): string {
  if (named === undefined) return waiting;
  const full = named.startsWith('sha256:') ? named : `sha256:${named}`;
  return full.length >= 15 && waiting.startsWith(full) ? waiting : full.padEnd(71, '0').slice(0, 71);
}
