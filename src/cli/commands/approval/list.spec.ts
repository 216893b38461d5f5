import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type CommandLineWorld, commandLineWorld } from '../../../../test/worlds/command-line.ts';
import type { Governance } from '../../../core/access/governance.ts';
import type { ChecklistLine } from '../../../core/release/state/checklist-line.ts';
import type { Plan } from '../../../core/release/plan/plan.ts';

vi.setConfig({ testTimeout: 60_000 });

const RULES: Governance = {
  approval: { number: 1, from: [{ role: 'lead', people: ['bob'] }], expiresMs: 600_000 },
  window: null,
  branches: null,
  promoteFrom: ['staging'],
  byAuthors: false,
  otherNames: {},
  breakGlassMs: 600_000,
};

let world: CommandLineWorld;
let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sluice-approvals-cli-'));
  world = await commandLineWorld();
  world.planner.rules.set('production', RULES);
});
afterEach(async () => {
  await world.close();
  await rm(dir, { recursive: true, force: true });
});

const as = (by: string, ...argv: string[]) => world.run(argv, { env: { SLUICE_BY: by } });
async function json<T>(by: string, ...argv: string[]): Promise<T> {
  const { out, err } = await as(by, ...argv, '--json');
  if (out === '') throw new Error(err);
  return JSON.parse(out) as T;
}
const detached = async (...argv: string[]): Promise<string> =>
  (await json<{ release: string }>('ada', 'deploy', '-e', 'production', '--yes', '--detach', ...argv)).release;
const asked = (id: string) =>
  vi.waitFor(async () => expect((await world.engine.release(id))?.preparation.approval).not.toBeNull(), { timeout: 20_000 });

test('a plan waits for another person with the role; exactly what was shown is approved, and all of it is on record', async () => {
  const id = await detached();
  await asked(id);
  expect((await as('ada', 'approvals', '-e', 'production')).out).toMatch(
    new RegExp(`${id} to production: api, web, asked for by ada [^]*needs 1 of lead \\(bob\\)[^]*sluice approve ${id}`),
  );
  expect(await as('ADA', 'approve', id)).toMatchObject({ exit: 6, err: expect.stringContaining('APPROVAL_BY_AUTHOR') as string });
  expect(await as('eve', 'approve', id)).toMatchObject({ exit: 6, err: expect.stringContaining('ROLE_MISSING') as string });
  expect(await as('bob', 'approve', id, '--plan', '0123456789ab')).toMatchObject({
    exit: 1,
    err: expect.stringContaining('APPROVAL_OF_OTHER_PLAN') as string,
  });
  const open = (await json<{ checklist: ChecklistLine[] }>('ada', 'status', id)).checklist;
  expect(open.find(({ item }) => item === 'approval')).toMatchObject({ result: 'open' });
  expect((await as('bob', 'approve', id, '-w')).exit).toBe(0);
  const { outcome, checklist } = await json<{ outcome: string; checklist: ChecklistLine[] }>('ada', 'status', id);
  expect(outcome).toBe('Succeeded');
  expect(checklist.map(({ item }) => item)).toHaveLength(13);
  expect(checklist.find(({ item }) => item === 'approval')).toMatchObject({
    result: 'done',
    text: expect.stringContaining('by bob at') as string,
  });
  expect((await json<{ lines: ChecklistLine[] }>('ada', 'checklist', id)).lines).toEqual(checklist);
  expect((await as('ada', 'status', id)).out).toMatch(/Checklist\n.*- +quality +not applicable because/);
});

test('a no ends it with nothing changed', async () => {
  const id = await detached();
  await asked(id);
  expect((await as('bob', 'reject', id, '--reason', 'not on a Friday')).exit).toBe(0);
  expect(await world.engine.release(id)).toMatchObject({ outcome: 'Aborted', reason: 'rejected by bob: not on a Friday' });
  expect((await world.engine.manifest('production')).apps).toEqual({});
});

test('an emergency asks for any one other person, and says what was set aside', async () => {
  const id = await detached('--break-glass', 'checkout is down');
  await asked(id);
  expect(await as('ada', 'approve', id)).toMatchObject({ exit: 6, err: expect.stringContaining('APPROVAL_BY_AUTHOR') as string });
  expect((await as('eve', 'approve', id, '-w')).exit).toBe(0);
  const { checklist } = await json<{ checklist: ChecklistLine[] }>('ada', 'status', id);
  expect(checklist.find(({ item }) => item === 'quality')?.text).toBe('set aside in an emergency: checkout is down');
  expect(checklist.find(({ item }) => item === 'approval')?.text).toMatch(/by eve at .* \(emergency: checkout is down\)/);
});

test('deploy --plan carries out that plan, from a file or by its hash, or names what moved', async () => {
  world.planner.rules.clear();
  const { plan } = await json<{ plan: Plan }>('ada', 'plan', '-e', 'production');
  const file = join(dir, 'plan.json');
  await writeFile(file, JSON.stringify({ plan }));
  world.planner.sources.set('web', 'two');
  for (const where of [file, plan.hash, plan.hash.slice(7, 19)])
    expect(await as('ada', 'deploy', '--plan', where, '--yes')).toMatchObject({
      exit: 1,
      err: expect.stringMatching(/PLAN_STALE|out of date: commit \w{7} is checked out, not \w{7}; sources of web changed/) as string,
    });
  world.planner.sources.set('web', 'one');
  world.planner.rules.set('production', RULES);
  expect((await as('ada', 'deploy', '--plan', file, '--yes')).err, 'rules that came meanwhile count').toContain(
    'approval is asked for by now',
  );
  const bent = { ...plan, apps: plan.apps.map((app) => ({ ...app, strategy: { kind: 'allAtOnce', soakMs: 7 } })) };
  await writeFile(file, JSON.stringify(bent));
  expect((await as('ada', 'deploy', '--plan', file, '--yes')).err).toContain('it was changed');
  world.planner.rules.clear();
  expect(await as('ada', 'deploy', '--plan', plan.hash.slice(7, 19), '--yes')).toMatchObject({ exit: 0 });
  expect((await as('ada', 'deploy', '--plan', plan.hash, '--yes')).err).toMatch(/runs \w+ now, not nothing/);
});

test('promote-env takes what is healthy, by digest, under the rules of where it goes', async () => {
  expect((await as('ada', 'deploy', '-e', 'staging', '--yes')).exit).toBe(0);
  const there = (await world.engine.manifest('staging')).apps['web']?.stable?.artifact;
  const { release } = await json<{ release: string }>('ada', 'promote-env', 'staging', 'production', '--yes', '--detach');
  await asked(release);
  expect((await as('bob', 'approve', release, '-w')).exit).toBe(0);
  expect((await world.engine.manifest('production')).apps['web']?.stable?.artifact).toBe(there);
  const built = (await world.engine.events({ release })).filter(
    ({ type, data }) => type === 'ArtifactBuilt' && 'reused' in data && !data.reused,
  );
  expect(built).toEqual([]);
  expect((await as('ada', 'promote-env', 'development', 'production', '--yes')).err).toContain('PROMOTION_NOT_ALLOWED');
});
