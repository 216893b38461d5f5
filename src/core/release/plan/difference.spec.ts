import { expect, test } from 'vitest';
import { planOf, versionOf } from '../../../../test/engine/world.ts';
import type { Plan } from './plan.ts';
import { planDifference } from './difference.ts';

const plan = planOf(['web', 'api']);
const web = (change: Partial<Plan['apps'][number]>): Plan => ({
  ...plan,
  apps: plan.apps.map((app) => (app.app === 'web' ? { ...app, ...change } : app)),
});
const approval = { number: 1, from: [], expiresMs: 1, authors: [] };

test.each<[string, Plan, Plan, string | null]>([
  ['nothing', plan, plan, null],
  ['why an app is in it', plan, web({ reason: 'asked for by name' }), null],
  ['what is left alone', plan, { ...plan, unchanged: [{ app: 'x', reason: 'nothing changed' }] }, null],
  ['the commit', plan, { ...plan, source: { ...plan.source, commit: 'abcdefabcdef' } }, 'commit abcdefa is checked out, not one'],
  ['the branch', plan, { ...plan, source: { ...plan.source, branch: 'wild' } }, 'branch wild is checked out, not main'],
  ['uncommitted changes', plan, { ...plan, source: { ...plan.source, dirty: true } }, 'there are uncommitted changes'],
  ['the sources of an app', plan, web({ fingerprint: 'other' }), 'sources of web changed'],
  ['its settings', plan, web({ routes: [], smoke: { command: null, paths: [], timeoutMs: 1 } }), 'smoke test, routes of web changed'],
  ['what runs', plan, web({ stable: versionOf('web', 'x') }), `web runs ${versionOf('web', 'x').id} now, not nothing`],
  ['an app that is gone', plan, { ...plan, apps: plan.apps.slice(0, 1) }, 'api is no longer part of it'],
  ['an app more', { ...plan, apps: plan.apps.slice(0, 1) }, plan, 'api has become part of it'],
  ['rules that came', plan, { ...plan, approval }, 'approval is asked for by now'],
  ['rules that changed', { ...plan, approval }, { ...plan, approval: { ...approval, number: 2 } }, 'approval changed'],
  ['rules that went', { ...plan, approval }, plan, 'approval is no longer asked for'],
  ['the workspace', plan, { ...plan, workspace: 'v' }, 'it is of another workspace, environment or kind'],
])('what moved is named: %s', (_what, given, now, said) => {
  expect(planDifference(given, now)).toBe(said);
});
