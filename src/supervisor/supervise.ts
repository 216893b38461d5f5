import { mkdirSync } from 'node:fs';
import { startTimeOf } from '../lib/process-identity.ts';
import { adoptInstances } from './adopt.ts';
import { complain, type Crew, instanceLog, save, stampOf, type Supervision, trySave } from './crew.ts';
import { adjust, stopAll, watchAdopted } from './instances.ts';
import { tryLock } from './lock.ts';
import { pathsIn } from './paths.ts';
import { readWanted } from './records.ts';
import { rotateLog } from './rotate.ts';

export const SUPERVISOR_LOCK = 'supervisor';

const LOOK_MS = 500;
const ROTATE_EVERY_LOOKS = 2;

/**
 * Keep the instances of one version running until the version is retired. There is one at a time per version
 * (lock); a second one returns at once. It may be killed at any moment: the instances go on, and the next
 * supervisor adopts them.
 * @param wrote called after each write to the outside; a test ends the process there.
 */
export async function supervise(
  supervision: Supervision,
  wrote: (what: string) => void = () => {},
): Promise<'retired' | 'another supervises'> {
  // Before the lock makes us known: without a handler the signal would end us.
  const nap = nudgedBy('SIGHUP');
  const lock = await tryLock(supervision.folder, SUPERVISOR_LOCK);
  if (lock === null) return 'another supervises';
  wrote('lock');
  const crew = await takeOver(supervision, wrote);
  save(crew);
  startMissing(crew);
  await untilRetired(crew, nap);
  await stopAll(crew);
  crew.phase = 'retired';
  save(crew);
  await lock.release();
  return 'retired';
}

async function takeOver(supervision: Supervision, wrote: (what: string) => void): Promise<Crew> {
  const paths = pathsIn(supervision.folder);
  const wanted = readWanted(paths.wanted);
  if (wanted === null) throw new Error(`${paths.wanted} is missing or damaged`);
  mkdirSync(paths.logs, { recursive: true, mode: 0o700 });
  const supervisor = { pid: process.pid, startTime: (await startTimeOf(process.pid)) ?? '' };
  const instances = await adoptInstances(paths, wanted.run?.instances ?? 0);
  return {
    supervision,
    paths,
    wanted,
    supervisor,
    instances,
    attended: new Set(),
    starting: new Set(),
    phase: 'running',
    only: wanted.only ?? null,
    busy: new Set(),
    written: '',
    wrote,
  };
}

function startMissing(crew: Crew): void {
  const { program } = crew.supervision;
  if (program === null || crew.wanted.state === 'retired') return;
  adjust(crew, program);
}

async function untilRetired(crew: Crew, nap: (ms: number) => Promise<void>): Promise<void> {
  let seen = '';
  for (let look = 0; ; look++) {
    const stamp = stampOf(crew.paths.wanted);
    const wanted = stamp === seen ? null : readWanted(crew.paths.wanted);
    if (wanted?.state === 'retired') return;
    if (wanted !== null) {
      crew.only = wanted.only ?? null;
      adjust(crew, crew.supervision.program);
    }
    seen = stamp;
    await watchAdopted(crew);
    if (stampOf(crew.paths.state) !== crew.written) trySave(crew);
    if (look % ROTATE_EVERY_LOOKS === 0) rotateAll(crew);
    await nap(LOOK_MS);
  }
}

/** A pause that a signal ends: the control plane nudges when there is news. */
function nudgedBy(signal: NodeJS.Signals): (ms: number) => Promise<void> {
  let wake = (): void => {};
  process.on(signal, () => wake());
  return (ms) =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
}

function rotateAll(crew: Crew): void {
  const { logBytesMax, logFiles } = crew.supervision.limits;
  try {
    for (const instance of crew.instances) rotateLog(instanceLog(crew, instance), logBytesMax, logFiles);
  } catch (error) {
    complain(error);
  }
}
