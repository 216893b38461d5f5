import type { Plan } from '../../core/release/plan/plan.ts';
import { PREPARATIONS } from '../../core/release/preparations/index.ts';
import { type Expected, expectedOf, expectedOfAll } from '../../core/text/duration.ts';
import { duration, planText, strategyWords } from './words.ts';

/** The whole plan for people: what, why, what comes first, who must agree, how long, and the way back. */
export function fullPlanText(plan: Plan, notices: readonly string[], now: number): string {
  if (plan.apps.length === 0) return planText(plan, notices);
  const [head = '', ...tail] = planText(plan).split(/\n(?=Plan sha256:)/);
  const lines = [
    head,
    ...linesOf('Before the rollouts', before(plan, now)),
    ...linesOf('Steps chosen', chosen(plan)),
    ...linesOf('Takes', [took(expectedOfAll(plan.apps))]),
    ...linesOf('Way back', wayBack(plan)),
    ...tail,
  ];
  return [...lines, ...notices.map((notice) => `Note: ${notice}`)].join('\n');
}

/** For a pull request or a chat. */
export function planMarkdown(plan: Plan, notices: readonly string[], now: number): string {
  const { commit, branch } = plan.source;
  const from = [commit === null ? null : `commit \`${commit.slice(0, 7)}\``, branch === null ? null : `branch \`${branch}\``]
    .filter(Boolean)
    .join(', ');
  const title = `## ${plan.kind === 'rollback' ? 'Rollback' : 'Deploy'} to ${plan.environment}${from === '' ? '' : ` (${from})`}`;
  const isKeptBack = plan.unchanged.some(({ keptBack }) => keptBack !== undefined);
  if (plan.apps.length === 0)
    return [title, '', isKeptBack ? 'Nothing is deployed, because it is held back.' : 'Nothing to do.', ...leftAlone(plan)].join('\n');
  const rows = plan.apps.map((app) => {
    const artifact = app.artifact === null ? 'to be built' : `\`${app.artifact.slice(0, 19)}\``;
    return `| ${cell(app.app)} | ${cell(app.reason)} | ${artifact} | ${cell(strategyWords(app.strategy))} | ${cell(took(expectedOf(app)))} |`;
  });
  return [
    title,
    '',
    '| app | why | artifact | strategy | takes |',
    '|---|---|---|---|---|',
    ...rows,
    ...section('Before the rollouts', before(plan, now)),
    ...section('Steps chosen', chosen(plan)),
    ...section('Way back', wayBack(plan)),
    ...leftAlone(plan),
    ...(notices.length === 0 ? [] : ['', ...notices.map((notice) => `> ${notice}`)]),
    '',
    `Plan \`${plan.hash}\``,
  ].join('\n');
}

/** What comes first, one line each; empty when nothing does. */
function before(plan: Plan, now: number): string[] {
  const { breakGlass, environment } = plan;
  return [
    ...(breakGlass === undefined
      ? []
      : [`EMERGENCY: ${breakGlass.reason}. Approval rule, window and checks of ${environment} are set aside`]),
    ...PREPARATIONS.flatMap(({ words }) => words.plan(plan, now)),
  ];
}

/** Why steps are what they are, where nobody has said them. */
function chosen(plan: Plan): string[] {
  return plan.apps.flatMap(({ app, strategy, stable }) =>
    strategy.kind === 'canary' && strategy.explained !== undefined && stable !== null ? [`${app}: ${strategy.explained}`] : [],
  );
}

function wayBack(plan: Plan): string[] {
  return plan.apps.map(({ app, stable, strategy }) => {
    if (stable === null) return `${app}: first deploy, nothing to go back to`;
    const how = strategy.kind === 'recreate' ? 'started again' : 'kept running until the end: traffic is back at once';
    return `${app}: version ${stable.id}, ${how}`;
  });
}

function took({ ms, person }: Expected): string {
  const time = ms === 0 ? 'no longer than building and starting' : `${duration(ms)} besides building and starting`;
  return person ? `${time}, and what people take` : time;
}

function linesOf(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [title, ...lines.map((line) => `  ${line}`)];
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', `**${title}**`, '', ...lines.map((line) => `- ${line}`)];
}

function leftAlone(plan: Plan): string[] {
  return section(
    'Left alone',
    plan.unchanged.map(({ app, reason }) => `${app}: ${reason}`),
  );
}

function cell(text: string): string {
  return text.replaceAll('|', String.raw`\|`).replaceAll('\n', ' ');
}
