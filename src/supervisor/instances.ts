import { mkdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { isAlive } from '../lib/process-identity.ts';
import type { Instance } from './adopt.ts';
import { complain, type Crew, instanceFolder, instanceLog, isAsked, type Program, save, trySave } from './crew.ts';
import { reservePort } from './free-port.ts';
import { clearRemains, groupAlive, signalGroup } from './group.ts';
import { launch, type Launched } from './launch.ts';
import { readWanted } from './records.ts';

/** How often a pause or a drain is looked at, ms. */
const LOOK_MS = 25;

const NOT_BEGUN_PAUSE_MS = 1_000;

/** Start an instance after a pause, unless the version is retired meanwhile. */
export function schedule(crew: Crew, program: Program, instance: Instance, pauseMs: number): void {
  if (crew.busy.has(instance)) return;
  crew.busy.add(instance);
  const run = (async () => {
    const until = Date.now() + pauseMs;
    while (isAsked(crew, instance) && Date.now() < until) await sleep(Math.min(LOOK_MS * 4, Math.max(1, until - Date.now())));
    if (isAsked(crew, instance)) return start(crew, program, instance);
    crew.busy.delete(instance);
    if (crew.phase === 'running') rest(crew, instance);
  })();
  crew.starting.add(run);
  void run.finally(() => crew.starting.delete(run));
}

/** It does not run, and is not to. */
function rest(crew: Crew, instance: Instance): void {
  Object.assign(instance, { process: null, startedAt: null, state: 'stopped', pending: false, quickEnds: 0 });
  trySave(crew);
}

/** Other instances are to run than did: those too many are drained, those missing started. */
export function adjust(crew: Crew, program: Program | null): void {
  for (const instance of crew.instances) {
    if (isAsked(crew, instance)) {
      if (instance.process === null && program !== null) schedule(crew, program, instance, 0);
    } else if (crew.phase === 'running' && !crew.busy.has(instance)) {
      if (instance.process === null) rest(crew, instance);
      else void drain(crew, program, instance).catch(complain);
    }
  }
}

async function drain(crew: Crew, program: Program | null, instance: Instance): Promise<void> {
  const leader = instance.process;
  if (leader === null) return;
  crew.busy.add(instance);
  try {
    const folder = instanceFolder(crew, instance);
    const until = Date.now() + crew.wanted.drainMs;
    await signalGroup(leader, folder, 'SIGTERM');
    while (crew.phase === 'running' && instance.process === leader && (await groupAlive(leader, folder))) {
      if (Date.now() > until) await signalGroup(leader, folder, 'SIGKILL');
      await sleep(LOOK_MS);
    }
  } finally {
    crew.busy.delete(instance);
    // It may be wanted again by now.
    if (instance.process === null && program !== null && isAsked(crew, instance)) schedule(crew, program, instance, 0);
  }
}

/** Reserve and record first, start then, so that no moment to die leaves a process that no record names. */
async function start(crew: Crew, program: Program, instance: Instance): Promise<void> {
  const own = instanceFolder(crew, instance);
  let launched: Launched;
  try {
    mkdirSync(own, { recursive: true, mode: 0o700 });
    if (crew.wanted.run?.listens === true) await givePort(crew, instance);
    const given = {
      SLUICE_INSTANCE: instance.id,
      SLUICE_INSTANCES: String(crew.wanted.run?.instances ?? 1),
      SLUICE_INSTANCE_DIR: own,
      ...(instance.port === null ? {} : { PORT: String(instance.port) }),
    };
    launched = await launch({
      command: program.command,
      folder: crew.paths.files,
      env: { ...program.env, ...given },
      log: instanceLog(crew, instance),
    });
    crew.wrote('gate');
  } catch (error) {
    complain(error);
    crew.busy.delete(instance);
    return ended(crew, program, instance, messageOf(error), false);
  }
  crew.busy.delete(instance);
  Object.assign(instance, {
    process: launched.process,
    startedAt: Date.now(),
    state: 'running',
    pending: false,
    starts: instance.starts + 1,
  });
  crew.attended.add(instance);
  let notBegun: string | null = null;
  void launched.ended.then((end) => ended(crew, program, instance, notBegun ?? end, notBegun === null));
  try {
    save(crew);
    launched.go();
    crew.wrote('go');
  } catch (error) {
    complain(error);
    notBegun = `could not be recorded: ${messageOf(error)}`;
    launched.cancel();
  }
}

async function givePort(crew: Crew, instance: Instance): Promise<void> {
  const { portsFolder, limits } = crew.supervision;
  instance.port = await reservePort(portsFolder, instanceFolder(crew, instance), instance.port, limits.ports);
  crew.wrote('port');
  save(crew);
}

/**
 * A run is over: clear what it left behind, then start again after a pause that grows while runs end quickly.
 * A run that never began (no port, full disk) says nothing about the app.
 */
async function ended(crew: Crew, program: Program | null, instance: Instance, end: string, began = true): Promise<void> {
  const { limits } = crew.supervision;
  const leader = instance.process;
  instance.lastEnd = end;
  // Being retired, the rest of its group keeps the time to drain; `stopAll` ends it.
  if (crew.phase !== 'running') return;
  const livedMs = instance.startedAt === null ? 0 : Date.now() - instance.startedAt;
  // While it is being cleared nobody else may find it dead: it would be started twice.
  crew.attended.add(instance);
  if (began) instance.quickEnds = livedMs >= limits.stableMs ? 0 : instance.quickEnds + 1;
  if (leader !== null) await clearRemains(leader, instanceFolder(crew, instance)).catch(complain);
  Object.assign(instance, { process: null, startedAt: null, state: 'backoff', pending: false });
  crew.attended.delete(instance);
  trySave(crew);
  if (crew.phase === 'running' && !isAsked(crew, instance)) return rest(crew, instance);
  if (program === null || crew.phase !== 'running') return;
  const pauseMs = began ? limits.backoffMs * 2 ** Math.max(0, instance.quickEnds - 1) : NOT_BEGUN_PAUSE_MS;
  schedule(crew, program, instance, Math.min(limits.backoffMsMax, pauseMs));
}

/** The end of an adopted instance is told to nobody (its parent is gone): look for it. */
export async function watchAdopted(crew: Crew): Promise<void> {
  for (const instance of crew.instances) {
    const { process: leader } = instance;
    if (leader === null || crew.attended.has(instance) || (await isAlive(leader.pid, leader.startTime))) continue;
    // Its successor may have been started while we looked.
    if (instance.process === leader)
      await ended(crew, crew.supervision.program, instance, 'ended; how is not known, since an earlier supervisor had started it');
  }
}

/** SIGTERM to every group, `drainMs` of time, SIGKILL to what is left. Returns once nothing is. */
export async function stopAll(crew: Crew): Promise<void> {
  const since = Date.now();
  crew.phase = 'retiring';
  trySave(crew);
  await Promise.all(crew.starting);
  await signalAll(crew, 'SIGTERM');
  // Read anew each time: a second call may ask for less patience.
  const drained = () => since + (readWanted(crew.paths.wanted)?.drainMs ?? crew.wanted.drainMs);
  while ((await anyAlive(crew)) && Date.now() < drained()) await sleep(LOOK_MS);
  while (await anyAlive(crew)) {
    await signalAll(crew, 'SIGKILL');
    await sleep(LOOK_MS);
  }
  for (const instance of crew.instances) Object.assign(instance, { process: null, state: 'stopped' });
}

async function signalAll(crew: Crew, signal: NodeJS.Signals): Promise<void> {
  for (const instance of crew.instances) {
    if (instance.process !== null) await signalGroup(instance.process, instanceFolder(crew, instance), signal);
  }
}

async function anyAlive(crew: Crew): Promise<boolean> {
  for (const instance of crew.instances) {
    if (instance.process !== null && (await groupAlive(instance.process, instanceFolder(crew, instance)))) return true;
  }
  return false;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
