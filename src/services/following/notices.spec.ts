import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { fakePerformer, type FakePerformerOptions, planOf, runbook, until } from '../../../test/engine/world.ts';
import { engineDatabase, type TestDatabase } from '../../../test/postgres.ts';
import type { TellingControl } from '../../../test/worlds/telling-control.ts';
import { commandNotifier } from '../../adapters/notify/command.ts';
import { webhookNotifier } from '../../adapters/notify/webhook.ts';
import { OutsideError } from '../../core/errors.ts';
import { type Plan, withHash } from '../../core/release/plan/plan.ts';
import { createEngine } from '../../engine/engine.ts';
import type { Engine } from '../../engine/face.ts';
import { startNotices } from './notices.ts';
import type { Notifier } from '../../ports/notifier.ts';
import type { Notice } from '../../core/access/notice.ts';

let database: TestDatabase;
let engine: Engine;
let server: Server;
let folder: string;
let mood: 'takes' | 'down' | 'takes and says nothing' = 'takes';
const received: { readonly key: string; readonly notice: Notice }[] = [];
const silent: ServerResponse[] = [];
const children: ChildProcess[] = [];

beforeEach(async () => {
  received.length = 0;
  mood = 'takes';
  folder = await mkdtemp(join(tmpdir(), 'sluice-notices-'));
  database = await engineDatabase();
  server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const notice = JSON.parse(Buffer.concat(parts).toString()) as Notice;
      if (mood !== 'down') received.push({ key: String(request.headers['idempotency-key']), notice });
      if (mood === 'takes and says nothing') silent.push(response);
      else response.writeHead(mood === 'down' ? 503 : 200).end();
    });
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
});

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  server.closeAllConnections();
  await new Promise((resolve) => void server.close(resolve));
  await engine.close();
  await database.drop();
  await rm(folder, { recursive: true, force: true });
});

const open = async (options: FakePerformerOptions = {}): Promise<void> => {
  engine = await createEngine({ databaseUrl: database.url, runbook, performer: fakePerformer(options) });
};
const address = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}/secret-token`;
const webhook = (on: Notifier['on'] = null): Notifier => webhookNotifier({ on, url: address() });
const notices = (notifiers: readonly Notifier[]) => startNotices({ engine, notifiers: () => Promise.resolve(notifiers), warn() {} });
const approval = { number: 1, from: [], expiresMs: 600_000, authors: [] };
const asking = (source: string) => withHash({ ...planOf(['web'], { source }), approval });
const recorded = async (type: string) => (await engine.recorded('notices/delivered')).filter(({ data }) => data.type === type).length;
const begun = () => until('the beginning', async () => (await recorded('NoticesSettled')) > 0);
const over = (id: string) => until(`${id} to be over`, async () => (await engine.release(id))?.stage === 'closed', 30_000);

test('people are told once, whatever ends in between, and no release waits for it', { timeout: 90_000 }, async () => {
  await open();
  const file = join(folder, 'told');
  const command = commandNotifier({ on: ['approval'], argv: ['tee', '-a', file], cwd: folder, env: process.env });
  let telling = notices([webhook(), command]);
  await begun();
  mood = 'down';
  const id = await engine.request(asking('one'), { by: 'ann' });
  await until('the command', async () => (await recorded('NoticeDelivered')) === 1);
  expect(JSON.parse(await readFile(file, 'utf8'))).toMatchObject({
    key: `${id}/approval`,
    occasion: 'approval',
    environment: 'production',
  });
  await telling.stop();

  mood = 'takes';
  telling = notices([webhook(), command]);
  await until('the webhook', async () => (await recorded('NoticeDelivered')) === 2);
  expect(received).toMatchObject([
    { key: `${id}/approval`, notice: { release: id, action: expect.stringContaining(`sluice approve ${id}`) as string } },
  ]);
  await telling.stop();

  telling = notices([webhook(), command]);
  const second = await engine.request(asking('two'), { by: 'ann' });
  await until('the second', async () => (await recorded('NoticeDelivered')) === 4);
  await telling.stop();
  expect(received.map(({ key }) => key)).toEqual([`${id}/approval`, `${second}/approval`]);
  expect((await readFile(file, 'utf8')).trim().split('\n')).toHaveLength(2);
  expect(JSON.stringify(await engine.recorded('notices/delivered')), 'the address may hold a token').not.toContain('secret-token');
  expect(await engine.verifyAudit()).toMatchObject({ intact: true });
});

test('a rollback that failed, one that was refused, and an emergency: somebody is told', { timeout: 90_000 }, async () => {
  let broken = false;
  await open({
    answer(effect) {
      if (effect.kind === 'fit') return [{ type: 'SchemaIncompatible', reason: 'web 1 cannot read column email' }];
      if (broken && effect.kind === 'shift') throw new OutsideError('EDGE_UNREACHABLE', 'the edge does not answer');
      return null;
    },
  });
  const telling = notices([webhook()]);
  await begun();
  const first = await engine.request(planOf(['web']), { by: 'ann' });
  await over(first);
  const stable = (await engine.manifest('production')).apps['web']?.stable ?? null;
  const onTop = (plan: Plan): Plan => withHash({ ...plan, apps: plan.apps.map((app) => ({ ...app, stable })) });

  const canary = planOf(['web'], {
    source: 'two',
    strategy: {
      kind: 'canary',
      steps: [
        { kind: 'weight', weight: 50 },
        { kind: 'pause', forMs: null },
      ],
      analysis: null,
      soakMs: 0,
    },
  });
  const failing = await engine.request(onTop(withHash({ ...canary, deadlines: { ...canary.deadlines, rollbackMs: 500 } })), { by: 'ann' });
  await until('the pause', async () => (await engine.release(failing))?.rollouts['web']?.pause != null, 30_000);
  broken = true;
  await engine.command(failing, { kind: 'abort', by: 'ann' });
  await until('the page', () => received.length === 1, 60_000);
  broken = false;

  const back = withHash({ ...onTop(planOf(['api'])), kind: 'rollback' as const, schemaGate: { deadlineMs: 10_000 } });
  const refused = await engine.request(back, { by: 'ann' });
  await until('word of the refusal', () => received.length === 2, 30_000);

  const plan = withHash({ ...planOf(['worker']), approval, breakGlass: { reason: 'checkout is down' } });
  const emergency = await engine.request(plan, { by: 'ann' });
  await until('word of the emergency', () => received.length === 3, 30_000);
  expect(received.map(({ notice: { key, title } }) => [key, title])).toEqual([
    [`${failing}/rollbackFailed`, expect.stringContaining('could not be put back') as string],
    [`${refused}/rollbackRefused`, expect.stringContaining('web 1 cannot read column email') as string],
    [`${emergency}/breakGlass`, 'EMERGENCY: ann wants worker to production past all rules: checkout is down'],
  ]);
  await telling.stop();
});

async function control(): Promise<ChildProcess> {
  const script = fileURLToPath(new URL('../../../test/worlds/telling-control.ts', import.meta.url));
  const settings: TellingControl = { databaseUrl: database.url, webhook: address() };
  const child = spawn(process.execPath, ['--import', 'tsx', script, JSON.stringify(settings)], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  let output = '';
  child.stdout.on('data', (part: Buffer) => (output += part.toString()));
  await until('a control plane', () => output.includes('ready'), 60_000);
  return child;
}

async function killed(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL');
  await until('its end', () => child.signalCode !== null);
}

test.each([
  ['before anybody was told', 'down' as const, 1],
  ['after somebody was told and before it could note that', 'takes and says nothing' as const, 2],
])('killed %s: the other control plane tells it', { timeout: 120_000 }, async (_when, at, times) => {
  const oldest = await control();
  await open();
  const telling = notices([webhook()]);
  await begun();
  mood = at;
  const id = await engine.request(asking('one'), { by: 'ann' });
  if (at === 'down') await until('a vain try', async () => (await engine.release(id))?.preparation.approval != null);
  else await until('a silent answer', () => silent.length === 1, 30_000);
  await killed(oldest);
  mood = 'takes';
  await until('the notice', async () => (await recorded('NoticeDelivered')) === 1, 60_000);
  await telling.stop();
  expect(received.map(({ key }) => key)).toEqual(Array.from({ length: times }, () => `${id}/approval`));
});

test('killed with nobody left who tells, and started again: it is told', { timeout: 120_000 }, async () => {
  await open();
  const only = await control();
  mood = 'takes and says nothing';
  await begun();
  const id = await engine.request(asking('one'), { by: 'ann' });
  await until('a silent answer', () => silent.length >= 1, 30_000);
  await killed(only);
  mood = 'takes';
  await control();
  await until('the notice', async () => (await recorded('NoticeDelivered')) === 1, 60_000);
  expect(new Set(received.map(({ key }) => key))).toEqual(new Set([`${id}/approval`]));
});
