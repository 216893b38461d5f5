import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { until } from '../../test/contracts/platform.ts';
import { startTimeOf } from '../lib/process-identity.ts';
import type { Instance } from './adopt.ts';
import type { Crew } from './crew.ts';
import { schedule, stopAll, watchAdopted } from './instances.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import { pathsIn } from './paths.ts';

let folder: string;
let crew: Crew;
const instance: Instance = {
  id: '0',
  port: null,
  process: null,
  startedAt: null,
  state: 'backoff',
  pending: true,
  starts: 0,
  quickEnds: 0,
  lastEnd: null,
};

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-crew-'));
  const paths = pathsIn(folder);
  for (const made of [paths.files, paths.logs, paths.instances]) mkdirSync(made, { recursive: true });
  // Two processes in the group, so that clearing up after the leader takes a while.
  const command = ['/bin/sh', '-c', 'echo $$ >> starts; sleep 1000 & sleep 1000'];
  crew = {
    supervision: {
      folder,
      portsFolder: join(folder, 'ports'),
      program: { command, env: { PATH: process.env['PATH'] ?? '' } },
      limits: { ...DEFAULT_LIMITS, backoffMs: 1 },
    },
    paths,
    wanted: {
      format: 1,
      state: 'running',
      fence: 1,
      drainMs: 0,
      environment: 'test',
      app: 'a',
      version: 'v1',
      artifact: 'x',
      run: { command, env: {}, instances: 1, listens: false, drainMs: 0 },
    },
    supervisor: { pid: process.pid, startTime: '' },
    instances: [instance],
    attended: new Set(),
    starting: new Set(),
    phase: 'running',
    written: '',
    only: null,
    busy: new Set(),
    wrote: () => {},
  };
});
afterEach(async () => {
  if (crew.phase === 'running') await stopAll(crew);
  rmSync(folder, { recursive: true, force: true });
});

function starts(): number[] {
  try {
    return readFileSync(join(folder, 'release/files/starts'), 'utf8').split('\n').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

test('an instance that is looked at all the time while it dies is started again once', async () => {
  const { program } = crew.supervision;
  if (program === null) throw new Error('no program');
  schedule(crew, program, instance, 0);
  await until(
    async () => starts(),
    (pids) => pids.length === 1,
  );
  const looking = (async () => {
    for (; crew.phase === 'running'; await sleep(1)) await watchAdopted(crew);
  })();
  for (let deaths = 1; deaths <= 5; deaths++) {
    process.kill(starts().at(-1) ?? 0, 'SIGKILL');
    await until(
      async () => starts(),
      (pids) => pids.length > deaths,
    );
  }
  await sleep(200);
  const begun = starts();
  await stopAll(crew);
  await looking;
  for (const pid of begun)
    await until(
      async () => startTimeOf(pid),
      (startTime) => startTime === null,
    );
  expect(begun).toHaveLength(6);
  expect(instance).toMatchObject({ state: 'stopped', process: null, starts: 6 });
});
