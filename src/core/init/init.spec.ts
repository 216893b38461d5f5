import { execFileSync } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { gitSource } from '../../adapters/source/git.ts';
import { changeReaders } from '../../compose/change-readers.ts';
import { proposeFiles, writeProposal } from '../../compose/init.ts';
import { createPlanner } from '../../services/planning/planner.ts';
import { type WorkflowLinters, workflowLinters } from '../../../test/worlds/workflow-linters.ts';
import { unifiedDiff } from './diff.ts';
import { ownership, stamped } from './stamp.ts';

const fixtures = join(import.meta.dirname, '../../../test/fixtures/init');
const made: string[] = [];
let linters: WorkflowLinters;
beforeAll(async () => {
  linters = await workflowLinters();
}, 60_000);
afterAll(() => Promise.all([linters.close(), ...made.map((dir) => rm(dir, { recursive: true, force: true }))]));

async function repository(fixture: string): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'sluice-init-'));
  made.push(dir);
  await cp(join(fixtures, fixture), dir, { recursive: true });
  git(dir, 'init', '--quiet', '--initial-branch=main');
  commit(dir);
  return dir;
}

function git(dir: string, ...args: string[]): string {
  const env = {
    PATH: process.env['PATH'],
    HOME: dir,
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_AUTHOR_NAME: 'A',
    GIT_AUTHOR_EMAIL: 'a@b.c',
    GIT_COMMITTER_NAME: 'A',
    GIT_COMMITTER_EMAIL: 'a@b.c',
  };
  return execFileSync('git', args, { cwd: dir, encoding: 'utf8', env, stdio: ['ignore', 'pipe', 'pipe'] });
}

function commit(dir: string): void {
  git(dir, 'add', '--all');
  git(dir, 'commit', '--quiet', '--allow-empty', '--message', 'State');
}

async function initialised(fixture: string): Promise<string> {
  const dir = await repository(fixture);
  const { files } = await proposeFiles(dir);
  for (const file of files) if (file.action === 'create') await writeProposal(dir, file);
  commit(dir);
  return dir;
}

const FIXTURES: Readonly<Record<string, readonly string[]>> = {
  single: ['hello . ["node","server.js"] /'],
  'npm-workspace': [
    'api apps/api ["npm","start","--workspace","apps/api"] /api',
    'mailer apps/mailer ["node","worker.js"] -',
    'web apps/web ["npm","start","--workspace","apps/web"] /',
  ],
  'pnpm-python': [
    'admin services/admin ["sh","-c","exec python3 -m gunicorn --bind \\"127.0.0.1:$PORT\\" office.wsgi"] /admin',
    'routes services/routes ["sh","-c","exec python3 -m uvicorn main:service --host 127.0.0.1 --port \\"$PORT\\""] /routes',
    'web web ["sh","-c","cd \'web\' && exec npx --no-install vite preview --host 127.0.0.1 --port \\"$PORT\\""] /',
  ],
  'docker-compose': ['web web ["node","index.js"] /', 'api api ["./api","--listen"] /api', 'cleaner cleaner ["./clean","--every","1h"] -'],
  workers: [
    'images workers/images ["sh","-c","exec npx --no-install wrangler dev --ip 127.0.0.1 --port \\"$PORT\\""] /images',
    'short-links workers/short-links ["sh","-c","cd \'workers/short-links\' && exec npx --no-install wrangler dev --ip 127.0.0.1 --port \\"$PORT\\""] /short-links',
  ],
  digitalocean: [
    'api api ["node","dist/server.js"] /api',
    'site site ["sh","-c","exec npx --no-install astro preview --host 127.0.0.1 --port \\"$PORT\\""] /',
    'digest-mailer mailer ["python3","mailer.py"] -',
  ],
};

describe.each(Object.keys(FIXTURES))('sluice init in %s', (fixture) => {
  it('finds its apps, and its configuration plans as it is', { timeout: 60_000 }, async () => {
    const dir = await repository(fixture);
    const { found } = await proposeFiles(dir);
    expect(found.apps.map((app) => `${app.name} ${app.path} ${JSON.stringify(app.run)} ${app.routes.join(' ') || '-'}`)).toEqual(
      FIXTURES[fixture],
    );

    const ready = await initialised(fixture);
    const planner = createPlanner({ dir: ready, source: gitSource({ dir: ready }), readers: changeReaders(ready, 'test') });
    expect(await planner.environments()).toEqual(['development', 'preview', 'staging', 'production']);
    for (const environment of ['development', 'production']) {
      const plan = await planner.plan({ environment, manifest: { environment, apps: {} } });
      expect(plan.apps.map(({ app }) => app).toSorted()).toEqual(found.apps.map(({ name }) => name).toSorted());
    }
  });

  it('run again changes nothing', async () => {
    const dir = await initialised(fixture);
    const { files } = await proposeFiles(dir);
    expect(files.map(({ path, action }) => `${path}: ${action}`).filter((line) => !line.endsWith(': same'))).toEqual([]);
  });

  it('workflows pass actionlint, the language service, and our own rules', { timeout: 120_000 }, async () => {
    const dir = await initialised(fixture);
    for (const name of ['ci', 'deploy', 'preview', 'drift']) {
      const path = `.github/workflows/sluice-${name}.yml`;
      const text = await readFile(join(dir, path), 'utf8');
      expect(await linters.actionlint(text, path)).toEqual([]);
      expect(await linters.languageService(text)).toEqual([]);
      expect(rulesBroken(text)).toEqual([]);
    }
  });

  it('no value of a variable that may be secret is copied', async () => {
    const dir = await initialised(fixture);
    const { files } = await proposeFiles(dir);
    const made = files.filter(({ path }) => fixture !== 'single' || path !== '.env.example').map(({ text }) => text);
    expect(made.join('\n')).not.toMatch(/not-a-real-password|EV\[1|change-me/);
  });
});

describe('what a person has changed', () => {
  it('is kept, and the difference is known', async () => {
    const dir = await initialised('single');
    const path = join(dir, 'Makefile');
    await writeFile(path, `${await readFile(path, 'utf8')}\nmine:\n\techo mine\n`);
    const { files } = await proposeFiles(dir);
    const file = files.find((one) => one.path === 'Makefile');
    expect(file?.action).toBe('edited');
    expect(unifiedDiff('Makefile', file?.before ?? '', file?.text ?? '')).toContain('-mine:');
  });

  it('what an earlier version wrote and nobody touched is brought up to date', async () => {
    const dir = await initialised('single');
    await writeFile(join(dir, 'Makefile'), stamped('#', 'all:\n\techo old\n'));
    expect((await proposeFiles(dir)).files.find((one) => one.path === 'Makefile')?.action).toBe('update');
  });

  it('a Makefile of the team stays, and ours lies beside it', async () => {
    const dir = await repository('single');
    await writeFile(join(dir, 'Makefile'), 'include sluice.mk\nall:\n\techo all\n');
    const { files } = await proposeFiles(dir);
    for (const file of files) await writeProposal(dir, file);
    expect(files.map(({ path }) => path)).not.toContain('Makefile');
    const output = execFileSync('make', ['-s', 'SLUICE=echo', 'deploy-app', 'APP=hello'], { cwd: dir, encoding: 'utf8' });
    expect(output.trim()).toBe('deploy hello -e development');
  });

  it("others' configurations of the same thing stay alone", async () => {
    const dir = await repository('single');
    await writeFile(join(dir, 'renovate.json'), '{}');
    await writeFile(join(dir, 'sluice.config.yaml'), 'workspace: mine\napps: {}\n');
    const paths = (await proposeFiles(dir)).files.map(({ path }) => path);
    expect(paths).not.toContain('.github/dependabot.yml');
    expect(paths).not.toContain('sluice.config.ts');
  });

  it.each([
    ['', 'theirs'],
    ['# Written by `sluice init` (000000000000); x\nbody\n', 'edited'],
    [stamped('//', 'body\n'), 'ours'],
  ])('%j is %s', (text, whose) => {
    expect(ownership(text)).toBe(whose);
  });
});

it('harbour, the example, uses what is generated', async () => {
  const { files } = await proposeFiles(join(import.meta.dirname, '../../../examples/harbour'));
  expect(files.filter(({ path }) => path !== 'sluice.config.ts').map(({ path, action }) => `${path} ${action}`)).toEqual(
    files.filter(({ path }) => path !== 'sluice.config.ts').map(({ path }) => `${path} same`),
  );
});

it('the linters notice a bad workflow', async () => {
  const bad =
    'on: push\njobs:\n  a:\n    runs-on: ubuntu-24.04\n    needs: nobody\n    steps:\n      - run: echo ${{ github.event.issue.title }} ${{ nonsense.x }}\n';
  expect((await linters.actionlint(bad, 'bad.yml')).join()).toMatch(/untrusted[\s\S]*nobody|nobody[\s\S]*untrusted/);
  expect((await linters.languageService(bad)).join()).toMatch(/nonsense|nobody/);
  expect(rulesBroken(bad).length).toBeGreaterThan(2);
});

describe('Makefile', () => {
  it.each([
    [['deploy-all', 'ENV=staging'], 'deploy -e staging'],
    [['deploy-app', 'APP=hello', 'ENV=production'], 'deploy hello -e production'],
    [['deploy-service', 'SERVICE=hello'], 'deploy hello -e development'],
    [['test-all'], 'check'],
    [['test-app', 'APP=hello'], 'check --app hello'],
    [['health-check-all', 'ENV=staging'], 'doctor\nstatus -e staging'],
    [['list-apps'], 'apps'],
    [['list-services'], 'apps --services'],
  ])('make %s', async (args, wanted) => {
    const dir = await initialised('single');
    const output = execFileSync('make', ['--no-print-directory', '-s', 'SLUICE=echo', ...args], { cwd: dir, encoding: 'utf8' });
    expect(output.trim()).toBe(wanted);
  });

  it('make setup-env makes .env for its owner alone, and leaves the one that is there', async () => {
    const dir = await initialised('single');
    const make = () => execFileSync('make', ['--no-print-directory', '-s', 'SLUICE=echo', 'setup-env'], { cwd: dir, encoding: 'utf8' });
    expect(make()).toBe('made .env: fill it in\ndoctor\n');
    expect(await readFile(join(dir, '.env'), 'utf8')).toBe(await readFile(join(dir, '.env.example'), 'utf8'));
    expect((await stat(join(dir, '.env'))).mode & 0o777).toBe(0o600);
    await writeFile(join(dir, '.env'), 'MINE=1\n');
    expect(make()).toBe('.env is there\ndoctor\n');
    expect(await readFile(join(dir, '.env'), 'utf8')).toBe('MINE=1\n');
  });

  it('says what is missing', async () => {
    const dir = await initialised('single');
    expect(() => execFileSync('make', ['deploy-app', 'SLUICE=echo'], { cwd: dir, stdio: 'pipe' })).toThrow(/say APP=/);
  });
});

interface Workflow {
  readonly on: Record<string, unknown>;
  readonly permissions?: unknown;
  readonly jobs: Record<
    string,
    {
      readonly 'timeout-minutes'?: number;
      readonly steps: { readonly uses?: string; readonly run?: string; readonly with?: Record<string, unknown> }[];
    }
  >;
}

/** What no linter asks for, and users of other tools were bitten by (pinning, injection, shallow clones, skipped jobs that count as passed). */
function rulesBroken(text: string): string[] {
  const workflow = parse(text) as Workflow;
  const steps = Object.values(workflow.jobs).flatMap((job) => job.steps);
  const events = JSON.stringify(workflow.on);
  return [
    ...steps.flatMap(({ uses }) => (uses === undefined || /@[0-9a-f]{40}$/.test(uses) ? [] : [`not pinned: ${uses}`])),
    ...steps.flatMap(({ run }) => (run?.includes('${{') === true ? [`an expression in a script: ${run}`] : [])),
    ...steps.flatMap((step) =>
      step.uses?.startsWith('actions/checkout@') === true &&
      (step.with?.['persist-credentials'] !== false || step.with['fetch-depth'] !== 0)
        ? ['checkout keeps credentials, or has no history']
        : [],
    ),
    ...Object.entries(workflow.jobs).flatMap(([name, job]) => (job['timeout-minutes'] === undefined ? [`${name} has no time limit`] : [])),
    ...(JSON.stringify(workflow.permissions) === '{"contents":"read"}' ? [] : ['permissions are not the least']),
    ...(events.includes('pull_request_target') || events.includes('"paths') ? ['pull_request_target, or a filter of paths'] : []),
  ];
}
