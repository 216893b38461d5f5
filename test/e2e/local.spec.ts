import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTimeOf } from '../../src/cli/control-plane/process.ts';
import { removeTree } from '../../src/lib/unfinished.ts';

const ROOT = join(import.meta.dirname, '../..');
let dir: string;

interface Ran {
  readonly exit: number | null;
  readonly out: string;
  readonly err: string;
}

async function sluice(...argv: readonly string[]): Promise<Ran> {
  const child = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), join(ROOT, 'src/cli/main.ts'), ...argv], {
    cwd: join(dir, 'hello'),
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], SLUICE_BY: 'ada' },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const exit = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { exit, out, err };
}

const record = async (): Promise<{ pid: number; url: string }> =>
  JSON.parse(await readFile(join(dir, '.sluice/control-plane.json'), 'utf8'));

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sluice-local-'));
  await mkdir(join(dir, 'hello'));
  await writeFile(join(dir, 'hello/main.js'), "console.log('hello');\n");
  await writeFile(join(dir, 'sluice.config.yaml'), 'workspace: tiny\napps: { hello: { path: hello, run: node main.js } }\n');
});

afterAll(async () => {
  await sluice('down', '--all', '--yes');
  await removeTree(dir);
}, 120_000);

it(
  'a workspace has one control plane, started by whoever needs it first and found again after its death',
  { timeout: 240_000 },
  async () => {
    const first = await Promise.all([sluice('status', '--json'), sluice('history', '--json'), sluice('server', '--detach', '--json')]);
    expect(first.map(({ exit, err }) => ({ exit, err: exit === 0 ? '' : err }))).toEqual(
      Array.from({ length: 3 }, () => ({ exit: 0, err: '' })),
    );
    const one = await record();
    expect(JSON.parse(first[2].out)).toEqual({ url: one.url });
    expect(first.filter(({ err }) => err.includes('Starting the engine'))).toHaveLength(1);

    expect(await sluice('server')).toMatchObject({ exit: 1, err: expect.stringContaining('CONTROL_PLANE_RUNNING') });

    process.kill(one.pid, 'SIGKILL');
    expect(await sluice('status')).toMatchObject({ exit: 0, err: expect.stringContaining('Starting the control plane') });
    const two = await record();
    expect(two.pid).not.toBe(one.pid);

    const path = join(dir, '.sluice/control-plane.json');
    const text = await readFile(path, 'utf8');
    await writeFile(path, text.replace(/"version": ".*"/, '"version": "0.0.1"'));
    expect(await sluice('status')).toMatchObject({ exit: 1, err: expect.stringMatching(/CONTROL_PLANE_VERSION[^]*sluice down/) });
    expect(await sluice('down')).toMatchObject({ exit: 0, out: 'The control plane has ended.\n' });
    expect(await startTimeOf(two.pid)).toBeNull();
    expect(await sluice('down')).toMatchObject({ exit: 0, out: 'No control plane runs here.\n' });
    expect(await sluice('down', '--all')).toMatchObject({ exit: 2, err: expect.stringContaining('CONFIRMATION_NEEDED') });
  },
);

it('what keeps a control plane from starting is what the command says', { timeout: 120_000 }, async () => {
  const config = join(dir, 'sluice.config.yaml');
  const text = await readFile(config, 'utf8');
  await writeFile(config, 'workspace: tiny\napps: { hello: { pth: hello } }\n');
  const ran = await sluice('plan', '-e', 'development');
  await writeFile(config, text);
  expect(ran).toMatchObject({ exit: 1, err: expect.stringContaining('CONFIG_INVALID') });
  expect(ran.err).toContain('Did you mean "path"');
});
