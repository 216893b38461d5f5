/**
 * `make demo`: the real CLI releases a real workspace under real traffic, ships good versions and a bad one, and loses its
 * control plane in the middle. Every claim it prints is checked; the exit code says whether all of them held.
 */
import { execFileSync, spawn } from 'node:child_process';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Load, type LoadReport, startLoad } from '../test/load.ts';

const root = join(import.meta.dirname, '..');
const workspace = join(root, '.make/demo/harbour');
const cli = join(root, 'dist/cli/main.js');
const startedAt = Date.now();
const problems: string[] = [];
const releases: { readonly id: string; readonly what: string; readonly seconds: number }[] = [];
const colour = process.stdout.isTTY && process.env['NO_COLOR'] === undefined;

const [staging, production] = await freePorts(2);
const env: NodeJS.ProcessEnv = {
  ...process.env,
  HARBOUR_BAKE: '4s',
  HARBOUR_INTERVAL: '500ms',
  HARBOUR_DATA: join(workspace, '.sluice/data'),
  HARBOUR_STAGING_PORT: String(staging),
  HARBOUR_PRODUCTION_PORT: String(production),
  SLUICE_BY: 'demo',
  ...(hasPython() ? {} : { HARBOUR_WITHOUT_PYTHON: '1' }),
};
const url = `http://127.0.0.1:${production}`;

const cleanUp = async (): Promise<void> => void (await sluice(['down', '--all', '--yes'], { quiet: true }));
process.on('SIGINT', () => void cleanUp().then(() => process.exit(130)));

let load: Load | null = null;
try {
  await run();
} catch (error) {
  problems.push(error instanceof Error ? error.message : String(error));
} finally {
  await load?.stop();
  await cleanUp();
}
for (const problem of problems) console.error(`✗ ${problem}`);
process.exit(problems.length === 0 ? 0 : 1);

async function run(): Promise<void> {
  await prepare();
  if (!hasPython()) say('python3 is not installed: the demo goes on without the app `rates`');

  title('1. First release, to staging');
  await deploy('staging', 'first release', 0);
  title('2. First release, to production');
  await deploy('production', 'first release', 0);
  await seed();

  title(`3. Users arrive: 16 keep-alive clients, no retries, at ${url}`);
  const paths = ['/accounts/demo', '/?user=demo', ...(hasPython() ? ['/rates'] : [])];
  const users = startLoad({ url, clients: 16, paths, ratePerSecond: 900 });
  load = users;
  await sleep(1_000);

  title('4. A good version of accounts goes out by canary');
  await commit('accounts', { version: '2' });
  await deploy('production', 'good canary', 0);
  await claim('users now get release 2 of accounts', async () => (await releaseOf('/accounts/demo')) === '2');

  title('5. A bad version of accounts: three answers of ten fail');
  await commit('accounts', { version: '3', fault: { kind: 'errors', rate: 0.3 } });
  const before = users.report();
  await deploy('production', 'bad canary', 5);
  const during = users.report();
  users.expectRollback();
  await claim('users are back on release 2', async () => (await releaseOf('/accounts/demo')) === '2');
  await claim('only a small share of users ever met it', async () => {
    const errors = during.appErrors - before.appErrors;
    say(`${errors} of ${during.requests - before.requests} requests hit the bad version's own errors before it was stopped`);
    return errors > 0 && errors / (during.requests - before.requests) < 0.05;
  });
  await claim('the rejected version is on hold', async () => JSON.stringify(await json(['manifest', '-e', 'production'])).includes('"held":[{'));

  title('6. The control plane is killed in the middle of a canary');
  await commit('accounts', { version: '4' });
  const id = await detach('production');
  await until('the canary has traffic', async () => (await weights(id)).length > 0);
  const { pid } = JSON.parse(await readFile(join(workspace, '.sluice/control-plane.json'), 'utf8')) as { pid: number };
  process.kill(pid, 'SIGKILL');
  say(`kill -9 ${pid}: no control plane now; users go on`);
  await sleep(1_500);
  await follow(id, 'canary with a killed control plane', 0);
  await claim('users now get release 4', async () => (await releaseOf('/accounts/demo')) === '4');

  title('7. Somebody takes it back by hand');
  users.expectRollback();
  const rollbackStarted = Date.now();
  const rolledBack = await sluice(['rollback', '-e', 'production', '--app', 'accounts', '--yes']);
  if (rolledBack !== 0 && rolledBack !== 5) problems.push(`rollback ended with exit code ${rolledBack}`);
  say(`the command returned after ${seconds(Date.now() - rollbackStarted)}`);
  await claim('users are on release 2 again', async () => (await releaseOf('/accounts/demo')) === '2');
  await claim('the audit log is intact', async () => (await sluice(['audit', 'verify'])) === 0);

  const report = await users.stop();
  await summary(report);
}

async function prepare(): Promise<void> {
  await cleanUp().catch(() => {});
  await rm(workspace, { recursive: true, force: true });
  await mkdir(workspace, { recursive: true });
  await cp(join(root, 'examples/harbour'), workspace, { recursive: true, filter: (path) => !path.includes('.sluice') && !path.includes('__pycache__') });
  await writeFile(join(workspace, '.gitignore'), '.sluice/\n__pycache__/\n');
  git('init', '-q', '-b', 'main');
  git('add', '-A');
  git('commit', '-q', '-m', 'Harbour as it begins');
}

async function seed(): Promise<void> {
  for (const [command, amount] of [['open', ''], ['deposit', '12500']]) {
    await fetch(`${url}/accounts/demo/${command}`, { method: 'POST', body: amount ?? '' });
  }
}

async function commit(app: string, change: { readonly version: string; readonly fault?: object }): Promise<void> {
  await writeFile(join(workspace, app, 'VERSION'), `${change.version}\n`);
  await writeFile(join(workspace, app, 'fault.json'), `${JSON.stringify(change.fault ?? { kind: 'none' })}\n`);
  git('commit', '-q', '-am', `${app}: release ${change.version}`);
}

function git(...args: readonly string[]): void {
  execFileSync('git', ['-c', 'user.name=demo', '-c', 'user.email=demo@localhost', ...args], { cwd: workspace, stdio: ['ignore', 'ignore', 'inherit'] });
}

async function deploy(environment: string, what: string, expected: number): Promise<void> {
  const since = Date.now();
  const exit = await sluice(['deploy', '-e', environment, '--yes', '--no-input']);
  const [newest] = ((await json(['history', '-e', environment])) as { releases: { id: string }[] }).releases;
  releases.push({ id: newest?.id ?? '', what: `${what} (${environment})`, seconds: (Date.now() - since) / 1000 });
  await claim(`exit code ${expected} (${{ 0: 'succeeded', 5: 'rolled back' }[expected] ?? ''})`, async () => exit === expected);
}

async function detach(environment: string): Promise<string> {
  const started = (await json(['deploy', '-e', environment, '--yes', '--no-input', '--detach'])) as { release: string };
  return started.release;
}

async function follow(id: string, what: string, expected: number): Promise<void> {
  const since = Date.now();
  const exit = await sluice(['status', '-w', id]);
  releases.push({ id, what, seconds: (Date.now() - since) / 1000 });
  await claim(`the release went on by itself: exit code ${expected}`, async () => exit === expected);
}

async function releaseOf(path: string): Promise<string | null> {
  const answer = await fetch(url + path);
  await answer.arrayBuffer();
  return answer.headers.get('x-app-release');
}

interface Shift {
  readonly at: number;
  readonly app: string;
  readonly weights: Readonly<Record<string, number>>;
}

/** Every change of weights of a release, from its events. */
async function weights(id: string): Promise<readonly Shift[]> {
  const { url: api, token } = JSON.parse(await readFile(join(workspace, '.sluice/control-plane.json'), 'utf8')) as { url: string; token: string };
  const answer = await fetch(`${api}/v1/events?release=${id}&limit=1000`, { headers: { authorization: `Bearer ${token}` } });
  const { events } = (await answer.json()) as { events: { at: number; type: string; data: { app: string; weights: Record<string, number> } }[] };
  return events.filter(({ type }) => type === 'WeightsShifted').map(({ at, data }) => ({ at, app: data.app, weights: data.weights }));
}

async function summary(report: LoadReport): Promise<void> {
  title('What happened');
  await claim(`${report.requests} requests, failed: ${report.failed}`, async () => report.failed === 0);
  for (const failure of report.failures) say(failure);
  await claim('nobody who had a newer version was moved back while it grew', async () => report.movedBack === 0);
  const { p50, p99, max } = report.latencyMs;
  say(`latency: p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, worst ${max.toFixed(0)} ms`);
  say(`the bad version's own errors (500): ${report.appErrors}`);
  say('');
  say('Weights over time (percent of the traffic on the new version)');
  for (const { id, what, seconds: took } of releases) {
    const shifts = (await weights(id)).filter(({ app }) => app === 'accounts');
    const first = shifts[0]?.at ?? 0;
    const steps = shifts.map(({ at, weights: split }) => `${((at - first) / 1000).toFixed(1)} s ${bar(Object.values(split).at(-1) ?? 0)}`);
    say(`${what}: ${took.toFixed(1)} s`);
    for (const step of steps) say(`    ${step}`);
  }
  say('');
  say(`All of it took ${seconds(Date.now() - startedAt)}.`);
}

function bar(percent: number): string {
  return `${'█'.repeat(Math.round(percent / 4))}${'·'.repeat(25 - Math.round(percent / 4))} ${percent} %`;
}

/** Run the CLI as a person would and return its exit code. */
function sluice(args: readonly string[], options: { readonly quiet?: boolean } = {}): Promise<number> {
  if (options.quiet !== true) console.log(paint(2, `$ sluice ${args.join(' ')}`));
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [cli, ...args, '-C', workspace], { cwd: root, env, stdio: options.quiet === true ? 'ignore' : ['ignore', 'inherit', 'inherit'] });
    child.on('error', reject);
    child.on('exit', (code) => resolve(code ?? 1));
  });
}

async function json(args: readonly string[]): Promise<unknown> {
  return JSON.parse(execFileSync(process.execPath, [cli, ...args, '--json', '-C', workspace], { cwd: root, env, stdio: ['ignore', 'pipe', 'ignore'] }).toString());
}

async function claim(what: string, holds: () => Promise<boolean>): Promise<void> {
  const isTrue = await holds();
  console.log(`${isTrue ? paint(32, '✓') : paint(31, '✗')} ${what}`);
  if (!isTrue) problems.push(`not true: ${what}`);
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`waited in vain until ${what}`);
    await sleep(50);
  }
}

function title(text: string): void {
  console.log(`\n${paint(1, text)}`);
}

function say(text: string): void {
  console.log(`  ${text}`);
}

function paint(code: number, text: string): string {
  return colour ? `\x1b[${code}m${text}\x1b[0m` : text;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

function hasPython(): boolean {
  try {
    execFileSync('python3', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, () => new Promise<import('node:net').Server>((resolve) => {
      const server = createServer().listen(0, '127.0.0.1', () => resolve(server));
    })),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
