import { createHmac } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type FakeGithub, fakeGithub } from '../../test/worlds/github.ts';
import { type MemoryEngine, memoryEngine } from '../../test/worlds/memory-engine.ts';
import { type MemoryPlanner, memoryPlanner } from '../../test/worlds/memory-planner.ts';
import { createHost } from './host.ts';
import { loadConfig } from '../config/load/load.ts';
import { type ConfigReader, createConfigReader } from '../config/load/reader.ts';
import { createServer } from '../server/http/create.ts';

const PATIENCE = { timeout: 20_000, interval: 10 };
const env = { GITHUB_TOKEN: 'ghs_test', HOOK_SECRET: 'hook-secret' };

let github: FakeGithub;
let engine: MemoryEngine;
let planner: MemoryPlanner;
let workspace: string;
let config: ConfigReader;
let readings: number;
let warnings: string[];
const closers: (() => Promise<unknown>)[] = [];

beforeEach(async () => {
  github = await fakeGithub();
  engine = { ...memoryEngine(), controlPlanes: () => Promise.resolve([]) };
  planner = memoryPlanner({ web: {} });
  warnings = [];
  readings = 0;
  workspace = await mkdtemp(join(tmpdir(), 'sluice-host-'));
  await mkdir(join(workspace, 'web'));
  closers.push(
    () => rm(workspace, { recursive: true, force: true }),
    () => engine.close(),
    () => github.close(),
  );
  config = createConfigReader({
    dir: workspace,
    load(dir) {
      readings += 1;
      return loadConfig(dir);
    },
  });
  await configure({});
});
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

const configure = (settings: object | null) =>
  writeFile(
    join(workspace, 'sluice.config.json'),
    JSON.stringify({
      workspace: 'shop',
      apps: { web: { path: 'web', run: 'node web.js' } },
      ...(settings === null
        ? {}
        : {
            github: {
              repository: 'acme/shop',
              token: { fromEnv: 'GITHUB_TOKEN' },
              url: github.url,
              link: 'https://sluice.test/{release}',
              webhookSecrets: [{ fromEnv: 'HOOK_SECRET' }],
              ...settings,
            },
          }),
    }),
  );

function host(more: { readonly env?: NodeJS.ProcessEnv; readonly now?: number } = {}) {
  return createHost({
    engine,
    planner,
    config,
    value: (name) => new Map(Object.entries(more.env ?? env)).get(name),
    environmentUrl: () => Promise.resolve('https://shop.test/'),
    now: () => more.now ?? Date.now(),
    warn: (message) => warnings.push(message),
  });
}

async function reporting(): Promise<void> {
  const running = host().start();
  closers.push(() => running.stop());
  await expect.poll(async () => (await engine.recorded('host/reported')).length, PATIENCE).toBeGreaterThan(0);
}

async function released(): Promise<{ readonly id: string; readonly commit: string }> {
  const plan = await planner.plan({ environment: 'production', apps: null, manifest: await engine.manifest('production') } as never);
  const id = await engine.request(plan, { by: 'ann @acme/all' });
  await expect.poll(async () => (await engine.release(id))?.stage, PATIENCE).toBe('closed');
  return { id, commit: plan.source.commit ?? '' };
}

describe('a release', () => {
  test('is a deployment with its status, a check, and one comment on the pull requests of its commit', async () => {
    await configure({ checks: true });
    await reporting();
    const probe = await planner.plan({ environment: 'production', apps: null, manifest: await engine.manifest('production') } as never);
    github.state.changes.push({ commit: probe.source.commit ?? '', number: 12 });
    const { id, commit } = await released();
    await expect.poll(() => github.state.deployments[0]?.statuses.at(-1)?.['state'], PATIENCE).toBe('success');
    await expect.poll(() => github.state.comments[0]?.body, PATIENCE).toContain('Succeeded');
    expect(github.state.deployments).toHaveLength(1);
    expect(github.state.deployments[0]).toMatchObject({ sha: commit, environment: 'production', payload: { sluice: id } });
    expect(github.state.deployments[0]?.statuses.at(-1)).toMatchObject({
      log_url: `https://sluice.test/${id}`,
      environment_url: 'https://shop.test/',
    });
    expect(github.state.checks).toMatchObject([{ name: 'sluice production', fields: { status: 'completed', conclusion: 'success' } }]);
    expect(github.state.comments).toMatchObject([{ issue: 12 }]);
    // Nobody is called by what people are named.
    expect(github.state.comments[0]?.body).not.toContain('@acme');
    expect(github.violations).toEqual([]);
    expect(warnings).toEqual([]);
  });

  test('is reported although GitHub was away, and once', async () => {
    await reporting();
    github.failures.push({ status: 503, message: 'away' }, { status: 500, message: 'done, and not said', isDone: true });
    await released();
    await expect.poll(() => github.state.deployments.at(-1)?.statuses.at(-1)?.['state'], PATIENCE).toBe('success');
    expect(github.state.deployments).toHaveLength(1);
    expect(warnings).toHaveLength(1);
  });

  test('that ended while nobody reported is reported by the next control plane', async () => {
    await reporting();
    await closers.pop()?.();
    await released();
    expect(github.requests).toEqual([]);
    await reporting();
    await expect.poll(() => github.state.deployments[0]?.statuses.at(-1)?.['state'], PATIENCE).toBe('success');
  });

  test('goes on where nobody is to be told, or GitHub says no', async () => {
    await configure(null);
    await reporting();
    await released();
    await configure({});
    github.failures.push(...Array.from({ length: 40 }, () => ({ status: 403, message: 'Resource not accessible' })));
    await released();
    await expect.poll(() => warnings.length, PATIENCE).toBeGreaterThan(0);
    expect(github.state.deployments).toEqual([]);
  });
});

describe('a delivery', () => {
  const event = {
    environment: 'production',
    deployment_callback_url: `https://api.test/repos/acme/shop/actions/runs/77/x`,
    deployment: null,
  };

  interface Delivered {
    readonly name?: string;
    readonly secret?: string;
    readonly env?: NodeJS.ProcessEnv;
    readonly id?: string;
    /** Instead of the right one; null: none. */
    readonly signature?: string | null;
    readonly host?: string;
  }

  const receiver = (more: Pick<Delivered, 'env'> = {}) => {
    const server = createServer({ engine, planner, workspace, version: '0', token: 'sluice_t', hook: host(more).deliveries });
    closers.push(() => server.close());
    return server;
  };

  async function deliver(content: object, more: Delivered = {}, server = receiver(more)) {
    const payload = JSON.stringify(content);
    const right = `sha256=${createHmac('sha256', more.secret ?? env.HOOK_SECRET)
      .update(payload)
      .digest('hex')}`;
    const signature = more.signature === undefined ? right : more.signature;
    return server.inject({
      method: 'POST',
      url: '/hooks/github',
      payload,
      headers: {
        'content-type': 'application/json',
        'x-github-event': more.name ?? 'deployment_protection_rule',
        'x-github-delivery': more.id ?? 'd-1',
        ...(more.host === undefined ? {} : { host: more.host }),
        ...(signature === null ? {} : { 'x-hub-signature-256': signature }),
      },
    });
  }

  beforeEach(() => config.read());

  test('of a run that waits is answered: yes', async () => {
    expect((await deliver(event)).statusCode).toBe(202);
    await expect
      .poll(() => github.state.protection, PATIENCE)
      .toMatchObject([{ run: 77, environment_name: 'production', state: 'approved' }]);
    expect(github.violations).toEqual([]);
  });

  test('of a run that wants what is not there, or what was put back, is answered: no', async () => {
    await deliver({ ...event, environment: 'moon' });
    await expect.poll(() => github.state.protection, PATIENCE).toMatchObject([{ environment_name: 'moon', state: 'rejected' }]);
    engine.scripts.set('web', { unhealthy: 'does not start' });
    const { commit } = await released();
    await deliver({ ...event, deployment: { sha: commit } });
    await expect.poll(() => github.state.protection[1], PATIENCE).toMatchObject({ environment_name: 'production', state: 'rejected' });
  });

  test('without the right signature is refused, and changes nothing', async () => {
    const answer = await deliver(event, { secret: 'guessed' });
    expect(answer.statusCode).toBe(401);
    expect(answer.json()).toMatchObject({ code: 'WEBHOOK_UNSIGNED' });
    expect(github.requests).toEqual([]);
  });

  test('of no interest is taken note of; where none is expected it is not found', async () => {
    const push = { ref: 'refs/heads/main', after: 'a'.repeat(40), pusher: { name: 'ann' } };
    expect((await deliver(push, { name: 'push' })).json()).toEqual({ taken: false, kind: 'push' });
    expect((await deliver(event, { env: {} })).json()).toMatchObject({ code: 'GITHUB_VARIABLE_MISSING' });
    await configure({ webhookSecrets: [] });
    await config.read();
    expect((await deliver(event)).statusCode).toBe(404);
  });

  test('evaluates no configuration, whoever sends it and however often', async () => {
    const server = receiver();
    const before = readings;
    const signatures = [null, '', 'sha256=', `sha256=${'0'.repeat(64)}`, `sha1=${'0'.repeat(40)}`, 'sha256=zz'];
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, i) => deliver({ ...event, i }, { signature: signatures[i % signatures.length] ?? null }, server)),
    );
    expect(new Set(answers.map(({ statusCode }) => statusCode))).toEqual(new Set([401]));
    // Also a signed one is verified with the secrets that are known.
    expect((await deliver({ zen: 'Keep it logically awesome.' }, { name: 'ping' }, server)).statusCode).toBe(202);
    expect(readings).toBe(before);
    expect(github.requests).toEqual([]);
  });

  test('is not taken before a configuration has been read, and is taken although it has broken since', async () => {
    config = createConfigReader({ dir: workspace });
    const server = receiver();
    expect((await deliver(event, {}, server)).statusCode).toBe(404);
    await config.read();
    await writeFile(join(workspace, 'sluice.config.json'), '{');
    await expect(config.read()).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    expect((await deliver(event, {}, server)).statusCode).toBe(202);
  });

  test('that comes again does nothing again, under whatever id; one that could not be answered may come again', async () => {
    const server = receiver();
    expect((await deliver(event, {}, server)).json()).toEqual({ taken: true, kind: 'protection' });
    await expect.poll(() => github.state.protection.length, PATIENCE).toBe(1);
    expect((await deliver(event, {}, server)).json()).toEqual({ taken: false, kind: 'protection', repeated: true });
    expect((await deliver(event, { id: 'd-2' }, server)).json()).toEqual({ taken: false, kind: 'protection', repeated: true });
    expect((await deliver({ ...event, environment: 'staging' }, { id: 'd-1' }, server)).json()).toMatchObject({ repeated: true });
    expect(github.state.protection).toHaveLength(1);

    const other = { ...event, environment: 'staging' };
    github.failures.push({ status: 404, message: 'no such run' });
    await deliver(other, { id: 'd-3' }, server);
    await expect.poll(() => warnings.length, PATIENCE).toBe(1);
    expect((await deliver(other, { id: 'd-3' }, server)).json()).toEqual({ taken: true, kind: 'protection' });
    await expect.poll(() => github.state.protection.length, PATIENCE).toBe(2);
  });

  test('under another host name is refused', async () => {
    expect((await deliver(event, { host: 'rebound.example' })).statusCode).toBe(421);
  });
});
