import { setTimeout as sleep } from 'node:timers/promises';
import { startClerk } from '../../test/clerk.ts';
import { countHolders, enterHolders } from './database.ts';
import type { Pager } from './pager.ts';
import type { Release, Sluice } from './sluice.ts';
import { claim, say, seconds, title } from './telling.ts';
import type { Workspace } from './workspace.ts';

export interface DataStory {
  readonly sluice: Sluice;
  readonly workspace: Workspace;
  /** Where users reach production. */
  readonly url: string;
  readonly databaseUrl: string;
  readonly pager: Pager;
  readonly firstChapter: number;
  deploy(what: string): Promise<void>;
  rollBack(what: string): Promise<Release>;
  releaseOf(path: string): Promise<string | null>;
  /** Requests of all users that failed so far. */
  failed(): number;
}

const HOLDERS = 20_000;

/** A release that changes the database, taken back; and one that cannot be taken back any more. */
export async function dataStory(story: DataStory): Promise<void> {
  const { url, databaseUrl, failed, firstChapter } = story;
  await enterHolders(databaseUrl, HOLDERS);
  const failedBefore = failed();
  const clerk = await startClerk(url, 'harriet');

  title(`${firstChapter}. A release that changes the database: a column, its backfill, and a read model of another shape`);
  await expand(story);

  title(`${firstChapter + 1}. It is taken back; the database stays as it is, because the old version can live with it`);
  await takeBack(story);
  const middle = clerk.look();
  await claim(
    `${middle.asked} requests of a clerk so far, failed: ${middle.failed.length}; statements that were not right, of any version: ${middle.wrong.length}`,
    async () => middle.failed.length === 0 && middle.wrong.length === 0 && ['2', '6'].every((release) => (middle.shown[release] ?? 0) > 0),
  );

  title(`${firstChapter + 2}. A column goes for good; nobody gets back behind that`);
  await contract(story);
  const clerked = await clerk.stop();
  for (const line of [...clerked.failed, ...clerked.wrong].slice(0, 5)) say(line);
  await claim(
    `${clerked.asked} requests of the clerk, failed: ${clerked.failed.length}; of all other users meanwhile: ${failed() - failedBefore}`,
    async () => clerked.failed.length === 0 && failed() === failedBefore,
  );
  const shown = Object.entries(clerked.shown).map(([release, count]) => `${count} by release ${release}`);
  await claim(
    `statements right, each held against what was paid in: ${shown.join(', ')}; wrong: ${clerked.wrong.length}`,
    async () => clerked.wrong.length === 0,
  );
}

async function expand({ sluice, workspace, databaseUrl, deploy, releaseOf }: DataStory): Promise<void> {
  say('Release 6 of accounts calls holders by a proper name and knows the largest movement of each account. Its commit brings');
  say(`  002  a new column of the table \`holder\`          003  a value in it for each of ${HOLDERS} holders, a thousand at a time`);
  say('  and version 2 of the read model `statement`, built beside version 1 from all events, verified, and then switched to.');
  say('Meanwhile a clerk pays in a cent, reads the statement, and checks it, again and again.');
  await workspace.bring('display-name', 'accounts: release 6, display names', { accounts: { version: '6' } });
  await deploy('6 (database)');
  await claim('users have release 6', async () => (await releaseOf('/accounts/demo')) === '6');
  const { all, named } = await countHolders(databaseUrl);
  await claim(`${named} of ${all} holders have a display name`, async () => named === all && all > HOLDERS);
  await claim('readers of `statement` see version 2', async () => (await liveVersion(sluice)) === 2);
}

async function takeBack({ sluice, rollBack, releaseOf }: DataStory): Promise<void> {
  const back = await rollBack('rollback of 6');
  await claim(`exit code 0, after ${seconds(back.ms)}`, async () => back.exit === 0);
  await claim('users are on release 2 again', async () => (await releaseOf('/accounts/demo')) === '2');
  say('Version 1 of the read model was kept up to date all the time; it is a switch away, too:');
  await claim('exit code 0', async () => (await sluice.run(['db', 'rebuild', 'statement', '-e', 'production', '--back'])) === 0);
  await claim('readers of `statement` see version 1', async () => (await liveVersion(sluice)) === 1);
}

async function contract(story: DataStory): Promise<void> {
  const { sluice, workspace, pager, deploy, rollBack, releaseOf } = story;
  say('Release 7 reads the new column only. Its commit drops the old one, in a migration that no release runs by itself: it waits');
  say('until no version that reads the column has users, and takes the word of a second person.');
  await workspace.bring('without-name', 'accounts: release 7, without the old name', { accounts: { version: '7' } });
  const early = await sluice.run(CONTRACT);
  await claim('while release 2 has users it is refused', async () => early === 1);
  await deploy('7 (contract)');
  await sleep(ROLLBACK_WINDOW_MS);
  await claim('now it runs', async () => (await sluice.run(CONTRACT)) === 0);
  say('Somebody wants release 2 back all the same. It would read a column that is not there.');
  const refused = await rollBack('rollback of 7, refused');
  await claim(`exit code ${refused.exit}: refused, after ${seconds(refused.ms)}`, async () => refused.exit !== 0);
  await claim('nothing has changed: users are on release 7', async () => (await releaseOf('/accounts/demo')) === '7');
  const page = await pager.page('rollbackRefused', 10_000);
  await claim('somebody was paged', async () => page !== null);
  if (page !== null) say(`The page: ${page.text}`);
}

/** What harbour is told as `rollbackWindow`, and a little more. */
const ROLLBACK_WINDOW_MS = 1_500;
const CONTRACT = ['db', 'contract', '-e', 'production', '--approved-by', 'harbour-master', '--yes'];

async function liveVersion(sluice: Sluice): Promise<number | null> {
  const { projections } = await sluice.ask<{ projections: { name: string; version: number; live: boolean }[] }>([
    'db',
    'projections',
    '-e',
    'production',
  ]);
  return projections.find(({ name, live }) => name === 'statement' && live)?.version ?? null;
}
