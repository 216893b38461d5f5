import { execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { removeTree } from '../../src/lib/unfinished.ts';

const ROOT = join(import.meta.dirname, '../..');
const FROM_SHELL = `shell-${'q'.repeat(3)}+/="${process.pid}`;
const FROM_FILE = `file-${process.pid}-value`;
let dir: string;

async function sluice(argv: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const child = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), join(ROOT, 'src/cli/main.ts'), ...argv], {
    cwd: dir,
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], SLUICE_BY: 'ada', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const exit = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { exit, out, err, json: <T>(): T => JSON.parse(out) as T };
}

const APP = `
const { SHELL_KEY: a, FILE_KEY: b } = process.env;
for (const text of [a, b, JSON.stringify({ a }), encodeURIComponent(a), Buffer.from('user:' + b).toString('base64')]) console.log('says ' + text);
console.log('all said');
setInterval(() => {}, 1000);
`;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sluice-values-e2e-'));
  await mkdir(join(dir, 'worker'));
  await writeFile(join(dir, 'worker/main.js'), APP);
  await writeFile(join(dir, '.gitignore'), '.env*\n');
  await writeFile(
    join(dir, 'sluice.config.yaml'),
    `workspace: shop
apps:
  worker:
    path: worker
    run: { command: node main.js, env: { SHELL_KEY: { fromEnv: SHELL_KEY }, FILE_KEY: { fromEnv: FILE_KEY } } }
    strategy: { kind: allAtOnce, soak: 1s }
`,
  );
  const git = (...args: string[]) => execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.com', ...args], { cwd: dir });
  git('init', '-q');
  git('add', '-A');
  git('commit', '-qm', 'first');
});
afterAll(async () => {
  await sluice(['down', '--all', '--yes']);
  await removeTree(dir);
}, 120_000);

it(
  'values come from the shell of the command and from .env, are asked for before the build, and are hidden after a restart',
  { timeout: 300_000 },
  async () => {
    // Started by a shell that has none of them.
    expect((await sluice(['status'])).exit).toBe(0);
    const missing = await sluice(['plan', '-e', 'production']);
    expect(missing.exit).toBe(4);
    expect(missing.out).toContain('No value is known for SHELL_KEY (worker), FILE_KEY (worker)');
    const refused = await sluice(['deploy', '-e', 'production', '--yes', '--json']);
    expect(refused.exit).toBe(1);
    expect(refused.json<{ error: object }>().error).toMatchObject({
      code: 'ENV_MISSING',
      message: expect.stringMatching(/SHELL_KEY.*FILE_KEY/),
    });
    expect(existsSync(join(dir, '.sluice/builds/logs'))).toBe(false);

    // What the hint advises works, with the control plane that runs already.
    await writeFile(join(dir, '.env.production'), `FILE_KEY=${FROM_FILE}\n`);
    const shell = { SHELL_KEY: FROM_SHELL };
    expect(await sluice(['plan', '-e', 'production'], shell)).toMatchObject({ exit: 0 });
    expect(await sluice(['deploy', '-e', 'production', '--yes', '--json'], shell)).toMatchObject({ exit: 0 });

    // A new control plane, started by a shell without the value; not even a plan is made before the logs are read.
    const { pid } = JSON.parse(await readFile(join(dir, '.sluice/control-plane.json'), 'utf8')) as { pid: number };
    process.kill(pid, 'SIGKILL');
    const logs = await sluice(['logs', 'worker', '-e', 'production']);
    expect([logs.exit, logs.err]).toEqual([0, expect.stringContaining('Starting the control plane')]);
    expect(logs.out).toContain('all said');
    expect(logs.out.match(/\[redacted\]/g)).toHaveLength(5);
    const api = await Promise.all([
      sluice(['history', '--json']),
      sluice(['manifest', '-e', 'production', '--json']),
      sluice(['doctor', '--json']),
    ]);
    for (const { out } of [logs, ...api]) for (const value of [FROM_SHELL, FROM_FILE]) expect(out).not.toContain(value);

    // On disk they stand in one file for this user, and in what the app itself has written.
    const holding = await filesHolding([FROM_SHELL, FROM_FILE]);
    expect(holding.filter((file) => !/^apps\/.*\.log$/.test(file))).toEqual(['values.json']);
    expect((await stat(join(dir, '.sluice/values.json'))).mode & 0o777).toBe(0o600);

    // The next shell has none of them: what was kept counts, and nothing has changed.
    expect((await sluice(['plan', '-e', 'production'])).out).toContain('nothing changed');
    await writeFile(join(dir, '.env.production'), `FILE_KEY=${FROM_FILE}-changed\n`);
    expect((await sluice(['plan', '-e', 'production'])).out).toContain('settings changed: run.env.FILE_KEY');
  },
);

async function filesHolding(values: readonly string[]): Promise<string[]> {
  const root = join(dir, '.sluice');
  const files = (await readdir(root, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  const paths = files.map((entry) => join(entry.parentPath, entry.name)).filter((path) => !path.includes('/postgres/'));
  const texts = await Promise.all(paths.map(async (path) => [path, await readFile(path, 'utf8').catch(() => '')] as const));
  return texts.filter(([, text]) => values.some((value) => text.includes(value))).map(([path]) => relative(root, path));
}
