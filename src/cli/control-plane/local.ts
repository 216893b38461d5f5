import { spawn } from 'node:child_process';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { workspaceFolder } from '../../lib/own-folder.ts';
import { OutsideError, type SluiceError, UserError } from '../../core/errors.ts';
import { PART_OF } from '../../core/app/part-of.ts';
import type { Target } from './client.ts';
import { isRunning } from './process.ts';
import { contentOf, isOk, requestTo } from './request.ts';

/** What a local control plane leaves in `.sluice/control-plane.json` once it answers. */
const fileSchema = z.object({ url: z.string(), pid: z.number(), startTime: z.string(), token: z.string(), version: z.string() });
export type ControlPlaneFile = z.output<typeof fileSchema>;

/** What a control plane that is starting tells the one who started it. */
export type StartReport =
  | { readonly kind: 'progress'; readonly message: string }
  | { readonly kind: 'ready' }
  | {
      readonly kind: 'failed';
      readonly blame: 'user' | 'outside';
      readonly code: string;
      readonly message: string;
      readonly hint: string | null;
    };

/** Set for a control plane that somebody starts in the background and waits for. */
export const REPORTS = 'SLUICE_REPORTS_START';

export const controlPlanePath = (workspace: string): string => join(workspace, '.sluice', 'control-plane.json');
const logPath = (workspace: string): string => join(workspace, '.sluice', 'control-plane.log');

/** A control plane that is starting and one that is about to end look alike: how long until it is tried again, ms. */
const START_AGAIN_MS = 5_000;

export interface LocalOptions {
  readonly workspace: string;
  readonly version: string;
  /** Command line of this program. */
  readonly self: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly say: (message: string) => void;
  /** Longest time for it to start, ms. */
  readonly startMs?: number;
  /** Arguments of `sluice server`. */
  readonly args?: readonly string[];
}

/** The last control plane of this workspace, running or not; null when there is no record of one. */
export async function readControlPlane(workspace: string): Promise<ControlPlaneFile | null> {
  try {
    const parsed = fileSchema.safeParse(JSON.parse(await readFile(controlPlanePath(workspace), 'utf8')));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}

/**
 * The workspace's own control plane; started when none runs. However many ask at once, there is one.
 * @throws UserError `CONTROL_PLANE_VERSION`, and what keeps it from starting; OutsideError `CONTROL_PLANE_UNRESPONSIVE`, `CONTROL_PLANE_DIED`.
 */
export async function ensureLocal(options: LocalOptions): Promise<Target> {
  const running = await findLocal(options.workspace, options.version);
  if (running !== null) return running;
  options.say('Starting the control plane of this workspace');
  await start(options);
  const deadline = Date.now() + (options.startMs ?? 120_000);
  for (let startedAt = Date.now(); Date.now() < deadline;) {
    const target = await findLocal(options.workspace, options.version);
    if (target !== null) return target;
    // Another one ran and has left no record: it may be one whose folder was deleted, which ends by itself in a moment.
    if (Date.now() - startedAt > START_AGAIN_MS) {
      await start(options);
      startedAt = Date.now();
    }
    await sleep(100);
  }
  throw new OutsideError(
    'CONTROL_PLANE_UNRESPONSIVE',
    'the control plane did not get ready in time',
    `Its log: ${logPath(options.workspace)}`,
  );
}

/**
 * The running control plane; null when there is none.
 * @throws UserError `CONTROL_PLANE_VERSION`; OutsideError `CONTROL_PLANE_UNRESPONSIVE` when it runs but does not answer.
 */
export async function findLocal(workspace: string, version: string | null): Promise<Target | null> {
  const deadline = Date.now() + 15_000;
  for (;;) {
    const file = await readControlPlane(workspace);
    if (file === null) return null;
    if (await answers(file)) {
      if (version !== null && file.version !== version) {
        const hint = 'Run `sluice down` and the command again: releases under way go on with the new one, apps and edges keep serving.';
        throw new UserError(
          'CONTROL_PLANE_VERSION',
          `the control plane that runs here is version ${file.version}, this program is ${version}`,
          hint,
        );
      }
      return { url: file.url, token: file.token, isLocal: true };
    }
    if (!(await isRunning(file.pid, file.startTime))) return null;
    if (Date.now() > deadline) {
      throw new OutsideError(
        'CONTROL_PLANE_UNRESPONSIVE',
        `the control plane (pid ${file.pid}) runs but does not answer at ${file.url}`,
        `\`sluice down\` ends it; its log: ${logPath(workspace)}`,
      );
    }
    await sleep(200);
  }
}

async function answers(file: ControlPlaneFile): Promise<boolean> {
  try {
    const answer = await requestTo(file, '/v1/health', { method: 'GET', signal: AbortSignal.timeout(5000) });
    await contentOf(answer);
    return isOk(answer);
  } catch {
    return false;
  }
}

/** Start one that outlives us; resolves once it says that it is ready, or that another one is. */
async function start({ workspace, self, env, say, args = [], startMs = 120_000 }: LocalOptions): Promise<void> {
  workspaceFolder(workspace);
  const log = await open(logPath(workspace), 'a', 0o600);
  const [program = process.execPath, ...first] = self;
  const child = spawn(program, [...first, 'server', '--workspace', workspace, ...args], {
    cwd: workspace,
    // Its own session: Ctrl-C here must not end it.
    detached: true,
    stdio: ['ignore', log.fd, log.fd, 'ipc'],
    env: { ...env, SLUICE_URL: '', [REPORTS]: '1', [PART_OF]: join(workspace, '.sluice') },
  });
  const from = (await log.stat()).size;
  try {
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(
        () =>
          reject(
            new OutsideError('CONTROL_PLANE_UNRESPONSIVE', 'the control plane did not get ready in time', `Its log: ${logPath(workspace)}`),
          ),
        startMs,
      );
      const settle = (error: SluiceError | null): void => {
        clearTimeout(timer);
        if (error === null) resolve();
        else reject(error);
      };
      child.on('message', (report: StartReport) => {
        if (report.kind === 'progress') say(report.message);
        else if (report.kind === 'ready') settle(null);
        // Somebody else was faster: theirs is ours.
        else if (report.code === 'CONTROL_PLANE_RUNNING') settle(null);
        else settle(new (report.blame === 'user' ? UserError : OutsideError)(report.code, report.message, report.hint));
      });
      child.on('error', (error) =>
        settle(new OutsideError('CONTROL_PLANE_DIED', `the control plane could not be started: ${error.message}`, null, error)),
      );
      child.on('exit', (code, signal) => {
        void lastLines(workspace, from).then((tail) =>
          settle(
            new OutsideError(
              'CONTROL_PLANE_DIED',
              `the control plane ended as it started (${signal ?? `exit code ${code}`})${tail === '' ? '' : `:\n${tail}`}`,
              `Its log: ${logPath(workspace)}`,
            ),
          ),
        );
      });
    });
  } finally {
    if (child.connected) child.disconnect();
    child.unref();
    await log.close();
  }
}

async function lastLines(workspace: string, from: number): Promise<string> {
  const text = await readFile(logPath(workspace)).catch(() => Buffer.alloc(0));
  return text.subarray(from).toString().trim().split('\n').slice(-8).join('\n');
}
