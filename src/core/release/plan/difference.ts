import { canonicalJson } from '../../text/canonical.ts';
import { PREPARATIONS } from '../preparations/index.ts';
import type { Plan, PlannedApp } from './plan.ts';

/** What the parts of an app's plan are to people. */
const WORDS: Readonly<Partial<Record<keyof PlannedApp, string>>> = {
  fingerprint: 'sources',
  run: 'run settings',
  health: 'health check',
  smoke: 'smoke test',
  build: 'build settings',
  dependsOn: 'dependencies',
};

/** Parts of a plan besides its apps and its source. Why an app is in it, and what is left alone, does not matter. */
const PARTS = ['deadlines', ...PREPARATIONS.map(({ planned }) => planned), 'promotedFrom', 'breakGlass'] as const;

/** What has moved between a plan and the one that would be made now, in words and by name; null: nothing. */
export function planDifference(given: Plan, now: Plan): string | null {
  const found = [
    ...(differs([given.workspace, given.environment, given.schema, given.kind], [now.workspace, now.environment, now.schema, now.kind])
      ? ['it is of another workspace, environment or kind']
      : []),
    ...sourceDifference(given, now),
    ...given.apps.flatMap((app) =>
      appDifference(
        app,
        now.apps.find((one) => one.app === app.app),
      ),
    ),
    ...now.apps.filter(({ app }) => given.apps.every((one) => one.app !== app)).map(({ app }) => `${app} has become part of it`),
    ...PARTS.filter((part) => differs(given[part], now[part])).map((part) => partDifference(part, given, now)),
  ];
  if (found.length > 0) return found.join('; ');
  return differs(work(given), work(now)) ? 'what it does has changed' : null;
}

/** All that a plan does. */
function work({ hash: _hash, unchanged: _unchanged, apps, ...rest }: Plan): object {
  return { ...rest, apps: apps.map((app) => ({ ...app, reason: '' })) };
}

function sourceDifference({ source: was }: Plan, { source: is }: Plan): string[] {
  const short = (commit: string | null): string => commit?.slice(0, 7) ?? 'none';
  if (was.commit !== is.commit) return [`commit ${short(is.commit)} is checked out, not ${short(was.commit)}`];
  if (was.branch !== is.branch) return [`branch ${is.branch ?? 'none'} is checked out, not ${was.branch ?? 'none'}`];
  return was.dirty === is.dirty ? [] : [is.dirty ? 'there are uncommitted changes' : 'the uncommitted changes are gone'];
}

function appDifference(was: PlannedApp, is: PlannedApp | undefined): string[] {
  if (is === undefined) return [`${was.app} is no longer part of it`];
  const runs =
    was.stable?.id === is.stable?.id ? [] : [`${was.app} runs ${is.stable?.id ?? 'nothing'} now, not ${was.stable?.id ?? 'nothing'}`];
  const keys = [...new Set([...Object.keys(was), ...Object.keys(is)])] as (keyof PlannedApp)[];
  const moved = keys.filter((key) => key !== 'reason' && key !== 'stable' && differs(was[key], is[key])).map((key) => WORDS[key] ?? key);
  return moved.length === 0 ? runs : [...runs, `${moved.join(', ')} of ${was.app} changed`];
}

function partDifference(part: (typeof PARTS)[number], given: Plan, now: Plan): string {
  if (given[part] === undefined) return `${part} is asked for by now`;
  return now[part] === undefined ? `${part} is no longer asked for` : `${part} changed`;
}

function differs(one: unknown, other: unknown): boolean {
  return canonicalJson(one ?? null) !== canonicalJson(other ?? null);
}
