import type { Plan } from '../../../core/release/plan/plan.ts';
import type { CheckEvidence } from '../../../core/release/preparations/checks.ts';
import { EXIT } from '../../session/exit.ts';
import { environmentOption } from '../../session/options.ts';
import { fullPlanText } from '../../view/plan.ts';
import { command } from '../../session/session.ts';
import { age, duration } from '../../view/words.ts';

interface Waiting {
  readonly release: string;
  readonly environment: string;
  readonly kind: 'plan' | 'pause';
  readonly apps: readonly string[];
  readonly by: string;
  readonly since: number;
  readonly expiresAt: number;
  readonly plan: Plan;
  readonly given: readonly string[];
  readonly needed: number;
  readonly who: string;
  readonly reason: string | null;
  readonly checks: readonly CheckEvidence[];
}

export const approvals = command<{ readonly env?: string }>({
  help: 'A plan waits before anything has happened; `approve` and `reject` say yes or no to exactly that one.\n\n  $ sluice approvals -e production',
  options: [environmentOption()],
  async run(session, { options }) {
    const client = await session.client();
    const environment = options.env ?? (session.env['SLUICE_ENV'] || undefined);
    const { approvals: list } = await client.get<{ approvals: Waiting[] }>('/v1/approvals', { environment });
    const text = list.length === 0 ? 'Nothing waits for a person.' : list.map((one) => textOf(one, session.now())).join('\n\n');
    return { exit: EXIT.ok, data: { approvals: list }, text };
  },
});

function textOf(one: Waiting, now: number): string {
  const head = `${one.release} to ${one.environment}: ${one.apps.join(', ')}, asked for by ${one.by} ${age(now - one.since)} ago, ends in ${duration(one.expiresAt - now)}`;
  const say = `  \`sluice approve ${one.release}\` or \`sluice reject ${one.release} --reason "…"\``;
  if (one.kind === 'pause') return [head, `  paused: ${one.reason ?? ''}`, say].join('\n');
  const given = one.given.length === 0 ? '' : `; ${one.given.join(', ')} said yes`;
  const checks = one.checks.flatMap(({ app, evidence }) =>
    evidence.map(({ subject, result, text }) => `  ${app} ${subject}: ${result}, ${text}`),
  );
  const plan = fullPlanText(one.plan, [], now)
    .split('\n')
    .map((line) => `  ${line}`);
  return [head, `  needs ${one.who}${given}`, ...plan, ...checks, say].join('\n');
}
