import { execFile } from 'node:child_process';
import { statfs } from 'node:fs/promises';
import { promisify } from 'node:util';
import { examinePlatform } from './platforms.ts';
import type { Platform } from '../../ports/platform.ts';
import type { Edges } from '../../ports/edges.ts';
import { examineAccess } from './access.ts';
import type { Engine } from '../../engine/face.ts';
import type { ServedApp } from '../serving/served-app.ts';
import type { Finding } from './finding.ts';

const run = promisify(execFile);

const TOOLS = [
  { name: 'git', args: ['--version'], missing: 'fail', hint: 'Sluice reads what to build from git: `apt-get install git`.' },
  { name: 'python3', args: ['--version'], missing: 'warn', hint: 'Only needed for apps written in Python: `apt-get install python3`.' },
  { name: 'haproxy', args: ['-v'], missing: 'warn', hint: 'Only needed for `edge: { kind: "haproxy" }`: `apt-get install haproxy`.' },
] as const;

const LITTLE_SPACE = 1024 ** 3;
const HARDLY_ANY_SPACE = 100 * 1024 ** 2;

/** How the control plane's surroundings are, each with what to do about it. */
export async function examine(parts: {
  readonly workspace: string;
  readonly engine: Engine;
  readonly edges: Edges;
  readonly isEmbedded: boolean;
  readonly platforms: readonly Pick<Platform, 'name' | 'access'>[];
  /** What users of an environment get. */
  served(environment: string): Promise<readonly ServedApp[]>;
}): Promise<readonly Finding[]> {
  return Promise.all([
    node(),
    ...TOOLS.map(tool),
    disk(parts.workspace),
    examineAccess(parts.workspace),
    database(parts.engine, parts.isEmbedded),
    audit(parts.engine),
    ...parts.platforms.map((one) => examinePlatform(one)),
    ...(await edges(parts.engine, parts.edges)),
  ]).then(async (findings) => [...findings, ...(await users(parts))]);
}

/** What users get, app by app: a request through the edge says more than what any part thinks of itself. */
async function users({
  engine,
  served,
}: {
  readonly engine: Engine;
  served(environment: string): Promise<readonly ServedApp[]>;
}): Promise<Finding[]> {
  const environments = await engine.environments().catch(() => []);
  const found = environments.map(async (environment): Promise<Finding[]> => {
    const apps = await served(environment).catch((error: unknown) => (error instanceof Error ? error.message : String(error)));
    if (typeof apps === 'string') {
      const hint = 'See what else is wrong here first.';
      return [{ name: `users of ${environment}`, status: 'fail', message: `what they get could not be asked: ${apps}`, hint }];
    }
    return apps.map(({ app, routes, trouble }): Finding => {
      const name = `users of ${app} in ${environment}`;
      if (trouble === null)
        return { name, status: 'ok', message: routes.map(({ route, status }) => `${route} answers ${status}`).join(', '), hint: null };
      const hint = `\`sluice logs ${app} -e ${environment}\` shows what it says. The control plane tries to mend what it can every 5 s.`;
      return { name, status: 'fail', message: trouble, hint };
    });
  });
  return (await Promise.all(found)).flat();
}

async function node(): Promise<Finding> {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const isNew = major > 20 || (major === 20 && minor >= 19);
  return {
    name: 'node',
    status: isNew ? 'ok' : 'fail',
    message: process.version,
    hint: isNew ? null : 'Sluice needs Node 20.19 or newer.',
  };
}

async function tool({ name, args, missing, hint }: (typeof TOOLS)[number]): Promise<Finding> {
  try {
    const { stdout } = await run(name, [...args], {
      timeout: 5_000,
      env: { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin` },
    });
    return { name, status: 'ok', message: stdout.split('\n')[0] ?? '', hint: null };
  } catch {
    return { name, status: missing, message: 'not found', hint };
  }
}

async function disk(workspace: string): Promise<Finding> {
  const { bavail, bsize } = await statfs(workspace);
  const free = bavail * bsize;
  const status = free < HARDLY_ANY_SPACE ? 'fail' : free < LITTLE_SPACE ? 'warn' : 'ok';
  return {
    name: 'disk',
    status,
    message: `${(free / 1024 ** 3).toFixed(1)} GB free`,
    hint: status === 'ok' ? null : 'Artifacts and logs are kept below .sluice/: make room on that disk.',
  };
}

async function database(engine: Engine, isEmbedded: boolean): Promise<Finding> {
  const name = isEmbedded ? 'database (embedded)' : 'database';
  try {
    const planes = await engine.controlPlanes();
    return { name, status: 'ok', message: `answers; ${planes.filter((plane) => plane.alive).length} control plane(s) at work`, hint: null };
  } catch (error) {
    const hint = isEmbedded
      ? 'It is started again by itself; if it stays away, see .sluice/postgres and the control plane log.'
      : 'Check DATABASE_URL and that the server runs.';
    return { name, status: 'fail', message: error instanceof Error ? error.message : String(error), hint };
  }
}

async function audit(engine: Engine): Promise<Finding> {
  const report = await engine.verifyAudit().catch(() => null);
  if (report === null)
    return { name: 'audit log', status: 'warn', message: 'could not be read', hint: 'Try again when the database answers.' };
  if (report.intact) return { name: 'audit log', status: 'ok', message: `${report.events} events, chain intact`, hint: null };
  return {
    name: 'audit log',
    status: 'fail',
    message: `the hash chain breaks at position ${report.brokenAt}`,
    hint: 'Somebody changed the event table. Compare with a backup before trusting the history.',
  };
}

async function edges(engine: Engine, all: Edges): Promise<Promise<Finding>[]> {
  const environments = await engine.environments().catch(() => []);
  return environments.map(async (environment): Promise<Finding> => {
    const name = `edge of ${environment}`;
    try {
      const url = await all.url(environment);
      return { name, status: 'ok', message: url ?? 'not started: no app here has routes', hint: null };
    } catch (error) {
      return {
        name,
        status: 'fail',
        message: error instanceof Error ? error.message : String(error),
        hint: 'See the edge.log below .sluice/edges/.',
      };
    }
  });
}
