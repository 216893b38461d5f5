import { execFile, execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { EXIT } from '../../src/cli/session/exit.ts';
import { plainName } from '../../src/core/init/look.ts';
import { freePort } from '../free-port.ts';
import { engineDatabase } from '../postgres.ts';
import { LAYOUTS, type Layout, LISTED, type Listed } from '../worlds/layouts.ts';
import { type Repository, repositoryOf } from '../worlds/repository.ts';

/* Repositories as people have them, from `sluice init` to answers at the edge: nothing is changed by hand but the port. */
const ROOT = join(import.meta.dirname, '../..');
/** Where `make managers` puts package managers. */
const MANAGERS = join(ROOT, '.make/managers');
const PATIENCE = { timeout: 300_000 };

beforeAll(() => {
  execFileSync('make', ['build'], { cwd: ROOT, stdio: 'ignore' });
}, 180_000);

const folder = (manager: string): string => join(MANAGERS, manager, 'bin');
const inPath = (program: string): boolean => (process.env['PATH'] ?? '').split(delimiter).some((at) => existsSync(join(at, program)));
/** Why a layout cannot be deployed here; null when it can. */
function missing({ manager, program }: Layout): string | null {
  if (manager !== undefined && !existsSync(folder(manager))) return `\`make managers\` could not install ${manager}`;
  return program !== undefined && !inPath(program) ? `${program} is not on this machine` : null;
}

/** `name path`; an app named by the folder of its repository is `w`, because that is another folder each time. */
function linesOf(apps: readonly { readonly name: string; readonly path: string }[], { dir }: Repository): string[] {
  return apps.map(({ name, path }) => `${name === plainName(basename(dir)) ? 'w' : name} ${path}`);
}

/** Why a release ended badly. */
function reasonOf(json: string): string {
  return (JSON.parse(json) as { reason: string }).reason;
}

interface Workspace {
  readonly one: Repository;
  sluice(...args: readonly string[]): Promise<{ readonly exit: number; readonly out: string; readonly err: string }>;
}

function workspaceOf(files: Readonly<Record<string, string>>, env: NodeJS.ProcessEnv): Workspace {
  const one = repositoryOf([files]);
  return {
    one,
    async sluice(...args) {
      const argv = [join(ROOT, 'dist/cli/sluice.cjs'), ...args, '--no-input'];
      const options = { cwd: one.dir, env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...env }, maxBuffer: 1 << 26 };
      try {
        const { stdout, stderr } = await promisify(execFile)(process.execPath, argv, options);
        return { exit: 0, out: stdout, err: stderr };
      } catch (error) {
        const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
        return { exit: code, out: stdout, err: stderr };
      }
    },
  };
}

/** All of them take minutes: `make soak` deploys each, other runs those that stand for a kind. */
const chosen = Object.entries(LAYOUTS).filter(([, { isQuick }]) => process.env['SLUICE_LAYOUTS'] === 'all' || isQuick === true);

describe('layouts of repositories', () => {
  for (const [name, layout] of chosen) {
    const reason = missing(layout);
    const why = reason === null ? '' : ` (skipped: ${reason})`;
    it.skipIf(reason !== null)(`${name}: is found, planned, deployed and answers${why}`, PATIENCE, async () => {
      expect(await deployed(layout)).toEqual(layout.answers);
    });
  }
});

describe('layouts that a person has to say more of', () => {
  it.each(Object.entries(LISTED))('%s: what is to be decided is said, and nothing is called deployed', PATIENCE, async (_name, layout) => {
    expect(await listed(layout)).toEqual({ apps: layout.apps, decide: layout.decide, plans: layout.apps.length > 0 });
  });
});

/** What is answered at the edge after a deploy, by path. */
async function deployed(layout: Layout): Promise<Readonly<Record<string, string>>> {
  const database = await engineDatabase();
  const manager = layout.manager === undefined ? [] : [folder(layout.manager)];
  const { one, sluice } = workspaceOf(layout.files, {
    PATH: [...manager, process.env['PATH']].join(delimiter),
    SLUICE_DATABASE_URL: database.url,
    npm_config_prefer_offline: 'true',
  });
  try {
    const init = await sluice('init', '--json');
    const found = JSON.parse(init.out) as { apps: { name: string; path: string }[]; decide: string[]; trouble: string | null };
    expect(found.decide).toEqual([]);
    expect(found.trouble).toBeNull();
    expect(linesOf(found.apps, one)).toEqual(layout.apps);
    const port = await freePort();
    const config = join(one.dir, 'sluice.config.ts');
    writeFileSync(config, readFileSync(config, 'utf8').replace('port: 8081', `port: ${port}`));
    one.git('add', '-A');
    one.git('commit', '-qm', 'init');
    const plan = await sluice('plan', '-e', 'staging', '--json');
    expect(plan.exit).toBe(EXIT.ok);
    const { apps: planned } = (JSON.parse(plan.out) as { plan: { apps: { app: string; path: string }[] } }).plan;
    expect(planned.map(({ app }) => app).toSorted()).toEqual(found.apps.map(({ name }) => name).toSorted());
    const release = await sluice('deploy', '-e', 'staging', '--yes', '--json');
    expect(release.exit === 0 ? '' : reasonOf(release.out)).toBe('');
    expect(JSON.parse(release.out)).toMatchObject({ outcome: 'Succeeded', exitCode: 0 });
    const answers: Record<string, string> = {};
    for (const path of Object.keys(layout.answers)) {
      const answer = await fetch(`http://127.0.0.1:${port}${path}`);
      answers[path] = answer.ok ? (await answer.text()).trim() : `status ${answer.status}`;
    }
    return answers;
  } finally {
    await sluice('down', '--all', '--yes');
    await database.drop();
    one.end();
  }
}

/** What `sluice init` says of a layout; each sentence stands in the configuration too. */
async function listed(
  layout: Listed,
): Promise<{ readonly apps: readonly string[]; readonly decide: readonly string[]; readonly plans: boolean }> {
  const { one, sluice } = workspaceOf(layout.files, {});
  try {
    const init = await sluice('init', '--json');
    const found = JSON.parse(init.out) as { apps: { name: string; path: string }[]; decide: string[]; plans: boolean };
    const config = readFileSync(join(one.dir, 'sluice.config.ts'), 'utf8');
    for (const sentence of layout.decide) expect(config).toContain(`// - ${sentence}`);
    return { apps: linesOf(found.apps, one), decide: found.decide, plans: found.plans };
  } finally {
    one.end();
  }
}
