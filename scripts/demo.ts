/**
 * `make demo`: the real CLI releases a real workspace under real traffic, ships good versions and bad ones, and loses its
 * control plane in the middle. Every claim it prints is checked; the exit code says whether all of them held.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Load, startLoad } from '../test/load.ts';
import { drawWeights, type Moment } from './demo/chart.ts';
import { dataStory } from './demo/data.ts';
import { makeDatabases } from './demo/database.ts';
import { startPayments, startSaver } from './demo/money.ts';
import { startPager } from './demo/pager.ts';
import { processesOf, waitUntilNone } from './demo/processes.ts';
import { type Release, sluiceIn } from './demo/sluice.ts';
import { claim, failures, say, seconds, title } from './demo/telling.ts';
import { freePorts, hasPython, prepareWorkspace } from './demo/workspace.ts';

const startedAt = Date.now();
const [staging, production] = await freePorts(2);
const url = `http://127.0.0.1:${production}`;
const pager = await startPager();
const settings = {
  HARBOUR_BAKE: '4s',
  HARBOUR_INTERVAL: '500ms',
  HARBOUR_STAGING_PORT: String(staging),
  HARBOUR_PRODUCTION_PORT: String(production),
  SLUICE_BY: 'demo',
  HARBOUR_WITHOUT_CHECKS: '1',
  HARBOUR_WITHOUT_INSTALL: '1',
  HARBOUR_ROLLBACK_WINDOW: '1s',
  HARBOUR_PAGER: pager.url,
  ...(hasPython() ? {} : { HARBOUR_WITHOUT_PYTHON: '1' }),
};
const workspace = await prepareWorkspace(settings);
const databases = await makeDatabases(workspace.dir, ['harbour_staging', 'harbour_production']);
workspace.env['HARBOUR_STAGING_DATABASE_URL'] = databases.harbour_staging;
workspace.env['HARBOUR_DATABASE_URL'] = databases.harbour_production;
const sluice = sluiceIn(workspace);
const moments: Moment[] = [];
const releases: Release[] = [];
let load: Load | null = null;

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => sluice.interrupt());
try {
  await story();
} catch (error) {
  failures.push(error instanceof Error ? error.message : String(error));
}
await end();
for (const failure of failures) console.error(`✗ ${failure}`);
console.log(
  failures.length === 0 ? `All of it was true, in ${seconds(Date.now() - startedAt)}.` : `${failures.length} claims were not true.`,
);
process.exit(failures.length === 0 ? 0 : 1);

async function end(): Promise<void> {
  title('End: `sluice down --all` leaves nothing behind');
  await sluice.down();
  pager.close();
  await claim('no process of this workspace is left', () => waitUntilNone(workspace, 10_000));
  for (const left of await processesOf(workspace)) say(`still there: ${left}`);
}

async function story(): Promise<void> {
  if (!hasPython()) say('python3 is not installed: the demo goes on without the app `rates`.');
  say(`The workspace: ${workspace.dir}, a copy of examples/harbour.`);

  title('1. The first release, to staging and to production');
  await deploy('staging', '1', 0);
  await deploy('production', '1', 0);

  title(`2. Users arrive at ${url}`);
  const paths = ['/accounts/demo', '/?user=demo', ...(hasPython() ? ['/rates'] : [])];
  const saver = await startSaver(url);
  const payments = await startPayments(workspace);
  const users = startLoad({ url, clients: 60, paths, ratePerSecond: 600 });
  load = users;
  say('60 users with keep-alive connections and cookies, who never try twice; one of them saves a cent with each request;');
  say('and payments for the worker `settler`, ten a second.');
  let movedBack = 0;
  const growing = async (release: () => Promise<void>): Promise<void> => {
    const before = users.report().movedBack;
    await release();
    movedBack += users.report().movedBack - before;
  };

  title('3. A good version of accounts and settler: staging at once, production by canary');
  await workspace.commit('accounts and settler: release 2', { accounts: { version: '2' }, settler: { version: '2' } });
  await deploy('staging', '2', 0);
  await growing(() => deploy('production', '2', 0));
  await claim('users have release 2 of accounts', async () => (await releaseOf('/accounts/demo')) === '2');

  title('4. A bad version: three answers of ten fail, but not the smoke test');
  await workspace.commit('accounts: release 3, with a mistake', {
    accounts: { version: '3', fault: { kind: 'errors', rate: 0.3, after: 5 } },
  });
  const before = users.report();
  await deploy('production', '3 (errors)', 5);
  const after = users.report();
  const hit = after.appErrors - before.appErrors;
  const share = hit / (after.requests - before.requests);
  await claim(
    `${hit} of ${after.requests - before.requests} requests of users met its errors: fewer than one in a hundred`,
    async () => share < 0.01,
  );
  await claim('users are back on release 2', async () => (await releaseOf('/accounts/demo')) === '2');
  await claim(
    'it is held: nothing deploys it again by itself',
    async () => (await sluice.manifest('production')).apps['accounts']?.held.length === 1,
  );

  title('5. Another bad version: every second answer takes half a second');
  await workspace.commit('accounts: release 4, slow', { accounts: { version: '4', fault: { kind: 'slow', ms: 500, share: 0.5 } } });
  await deploy('production', '4 (slow)', 5);
  await claim('users are back on release 2', async () => (await releaseOf('/accounts/demo')) === '2');

  title('6. The control plane is killed in the middle of a canary');
  await workspace.commit('accounts: release 5', { accounts: { version: '5' } });
  await growing(() => deploy('production', '5 (killed)', 0, { after: /accounts: 25 %/, act: killControlPlane }));
  await claim('users have release 5', async () => (await releaseOf('/accounts/demo')) === '5');

  title('7. Somebody takes it back by hand');
  const rollback = await rollBack('rollback by hand');
  await claim('exit code 0', async () => rollback.exit === 0);
  await claim(
    `users are on release 2 again, ${seconds(rollback.ms)} after the command`,
    async () => (await releaseOf('/accounts/demo')) === '2',
  );

  await dataStory({
    sluice,
    workspace,
    url,
    databaseUrl: databases.harbour_production,
    pager,
    firstChapter: 8,
    deploy: (what) => growing(() => deploy('production', what, 0)),
    rollBack,
    releaseOf,
    failed: () => users.report().failed,
  });

  title('What happened');
  const report = await users.stop();
  const saved = await saver.stop();
  const settled = await payments.stop();
  await claim(`${report.requests} requests of users, failed: ${report.failed}`, async () => report.failed === 0);
  for (const failure of report.failures) say(failure);
  await claim(
    `${saved.requests} deposits of a cent, failed: ${saved.failed}; ${saved.balance} cents for the ${saved.answered} that were answered well`,
    async () => saved.failed === 0 && saved.balance === saved.answered,
  );
  await claim(
    `${settled.sent} payments, all of them settled, by releases ${settled.releases.join(' and ')} of the worker`,
    async () => settled.once === settled.sent,
  );
  await claim('nobody who had a growing version was moved back from it', async () => movedBack === 0);
  await claim('the audit log is intact', async () => (await sluice.run(['audit', 'verify'])) === 0);
  const { p50, p99, max } = report.latencyMs;
  say(
    `Latency of all requests: p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, worst ${max.toFixed(0)} ms. Answers 500 of the bad version: ${report.appErrors}.`,
  );
  await tellWeights();
}

interface Interruption {
  /** A line of the command's output. */
  readonly after: RegExp;
  act(): Promise<void>;
}

async function deploy(environment: string, what: string, expected: 0 | 5, interruption?: Interruption): Promise<void> {
  const release = await sluice.release(
    `release ${what} to ${environment}`,
    ['deploy', '-e', environment, '--yes', '--no-input'],
    interruption,
  );
  releases.push(release);
  const meaning = { 0: 'succeeded', 5: 'users had it, and it was put back' }[expected];
  await claim(`exit code ${expected}: ${meaning}, after ${seconds(release.ms)}`, async () => release.exit === expected);
  if (interruption !== undefined)
    await claim('the control plane was killed meanwhile', async () => moments.some(({ name }) => name === 'kill -9'));
}

async function rollBack(what: string): Promise<Release> {
  const release = await sluice.release(what, ['rollback', '-e', 'production', '--app', 'accounts', '--yes', '--no-input']);
  releases.push(release);
  return release;
}

async function killControlPlane(): Promise<void> {
  const { pid } = await sluice.controlPlane();
  process.kill(pid, 'SIGKILL');
  moments.push({ at: Date.now(), name: 'kill -9' });
  say(`kill -9 ${pid}: there is no control plane now. The command starts another one, which goes on where that one was.`);
  const before = load?.report();
  await sleep(700);
  const after = load?.report();
  const served = (after?.requests ?? 0) - (before?.requests ?? 0);
  await claim(`${served} requests were served meanwhile, failed: ${after?.failed}`, async () => served > 0 && after?.failed === 0);
}

async function releaseOf(path: string): Promise<string | null> {
  const answer = await fetch(url + path);
  await answer.arrayBuffer();
  return answer.headers.get('x-app-release');
}

async function tellWeights(): Promise<void> {
  const ofAccounts = { app: 'accounts', environment: 'production' };
  const shifts = (await Promise.all(releases.map((release) => sluice.shifts(release))))
    .flat()
    .filter(({ app, environment }) => app === ofAccounts.app && environment === ofAccounts.environment);
  say('');
  say('Traffic of accounts in production over time:');
  for (const line of drawWeights(shifts, moments, Date.now())) say(line);
  say('');
  for (const { name, ms, exit } of releases) say(`${seconds(ms).padStart(7)}  exit ${exit}  ${name}`);
  say('');
}
