import { execFileSync, spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, readdir, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { BuildSpec } from '../../core/release/plan/plan.ts';
import type { BuildRequest, Builder } from '../../ports/builder.ts';
import type { SourceControl } from '../../ports/source.ts';
import { fileArtifacts } from '../artifacts/files.ts';
import { gitSource } from '../source/git.ts';
import { localBuilder } from './local.ts';
import { removeTree } from '../../lib/unfinished.ts';

// Real processes and folders on a machine that may be busy.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let dir: string;
let sources: string;
let lines: string[];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sluice-builder-'));
  sources = join(dir, 'sources');
  await mkdir(join(sources, 'app'), { recursive: true });
  await writeFile(join(sources, 'app/index.txt'), 'hello');
  lines = [];
});
afterEach(() => removeTree(dir));

/** A history that has only one commit: the folder as it is. */
const folderSource = (): SourceControl => ({
  head: () => Promise.resolve({ commit: 'c'.repeat(40), branch: 'main', uncommitted: [] }),
  snapshot: () => Promise.resolve('s'.repeat(40)),
  trees: () => Promise.resolve(new Map()),
  export: (_at, path, into) => cp(join(sources, path), into, { recursive: true, verbatimSymlinks: true }),
});
const artifacts = () => fileArtifacts({ dir: join(dir, 'artifacts') });
const builder = (): Builder => localBuilder({ dir: join(dir, 'builds'), source: folderSource(), artifacts: artifacts() });

function request(build: Partial<BuildSpec> | null, more: Partial<BuildRequest> = {}): BuildRequest {
  return {
    app: 'web',
    path: 'app',
    commit: 'c'.repeat(40),
    fingerprint: 'f1',
    build: build === null ? null : { command: null, output: '.', env: {}, ...build },
    timeoutMs: 20_000,
    onOutput: (line) => lines.push(line),
    ...more,
  };
}
const run = (build: Partial<BuildSpec> | null, more: Partial<BuildRequest> = {}, signal = new AbortController().signal) =>
  builder().build(request(build, more), signal);
const sh = (script: string): readonly string[] => ['sh', '-c', script];

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return !/^\d+ \(.*\) [ZX] /s.test(
      execFileSync('cat', [`/proc/${pid}/stat`], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }),
    );
  } catch {
    return false;
  }
};

async function until(what: () => Promise<boolean> | boolean): Promise<boolean> {
  for (const deadline = Date.now() + 10_000; Date.now() < deadline;) {
    if (await what()) return true;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return false;
}

async function pidsIn(file: string, count: number): Promise<number[]> {
  const read = async (): Promise<number[]> => (await readFile(file, 'utf8').catch(() => '')).trim().split('\n').filter(Boolean).map(Number);
  await until(async () => (await read()).length >= count);
  return read();
}

describe('what is built', () => {
  test('runs the command in a fresh checkout and stores the output folder', async () => {
    const { artifact, reused, log } = await run({
      command: sh('echo building; echo careful >&2; mkdir dist && cp index.txt dist/; echo "$GREETING" > dist/greeting'),
      output: 'dist',
      env: { GREETING: 'hi' },
    });
    const folder = await artifacts().folder(artifact);
    expect(reused).toBe(false);
    expect((await readdir(folder)).toSorted()).toEqual(['greeting', 'index.txt']);
    expect(await readFile(join(folder, 'greeting'), 'utf8')).toBe('hi\n');
    expect(lines.toSorted()).toEqual(['building', 'careful']);
    expect((await readFile(log, 'utf8')).split('\n').toSorted()).toEqual(['', 'building', 'careful']);
    expect(await readdir(join(sources, 'app'))).toEqual(['index.txt']);
    expect(await readdir(join(dir, 'builds/work'))).toEqual([]);
  });

  test('without a command the folder is taken as it is committed', async () => {
    const { artifact } = await run(null);
    expect(await readdir(await artifacts().folder(artifact))).toEqual(['index.txt']);
  });

  test('equal inputs reuse the artifact without building, as long as it is whole', async () => {
    const first = await run({ command: sh('echo built > out.txt') });
    const again = await run({ command: sh('exit 1') });
    expect(again).toEqual({ ...first, reused: true });
    await artifacts().keepOnly(new Set());
    expect(await run({ command: sh('echo built > out.txt') })).toMatchObject({ artifact: first.artifact, reused: false });
    await writeFile(join(dir, 'builds/index/f1.json'), '{"artif');
    expect(await run({ command: sh('echo built > out.txt') })).toMatchObject({ artifact: first.artifact, reused: false });
  });

  test('the build has PATH and HOME but nothing else of the control plane', async () => {
    process.env['SLUICE_SPEC_TOKEN'] = 'secret';
    try {
      await run({ command: sh('env') });
    } finally {
      delete process.env['SLUICE_SPEC_TOKEN'];
    }
    const names = lines.map((line) => line.split('=')[0]);
    expect(names).toContain('PATH');
    expect(names).not.toContain('SLUICE_SPEC_TOKEN');
    expect(names.filter((name) => name?.startsWith('npm_') || name?.startsWith('VITEST'))).toEqual([]);
  });

  test('from a commit in git, while the working tree says something else', async () => {
    const git = (...args: string[]): string =>
      execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.com', ...args], { cwd: sources, encoding: 'utf8' }).trim();
    git('init', '-q');
    git('add', '-A');
    git('commit', '-q', '-m', 'x');
    const commit = git('rev-parse', 'HEAD');
    await writeFile(join(sources, 'app/index.txt'), 'dirty');
    const local = localBuilder({ dir: join(dir, 'builds'), source: gitSource({ dir: sources }), artifacts: artifacts() });
    const { artifact } = await local.build(request({ command: sh('cp index.txt copy.txt') }, { commit }), new AbortController().signal);
    expect(await readFile(join(await artifacts().folder(artifact), 'copy.txt'), 'utf8')).toBe('hello');
  });

  test('several builds go side by side', async () => {
    const results = await Promise.all(['a', 'b', 'c'].map((name) => run({ command: sh(`echo ${name} > out.txt`) }, { fingerprint: name })));
    expect(new Set(results.map((result) => result.artifact)).size).toBe(3);
  });
});

describe('what goes wrong', () => {
  test('a failed build says how it ended, shows its last lines and where the others are', async () => {
    const failed = run({ command: sh('for i in $(seq 1 50); do echo line $i; done; exit 3') });
    await expect(failed).rejects.toMatchObject({
      code: 'BUILD_FAILED',
      blame: 'user',
      message: expect.stringMatching(/exit code 3[^]*line 50/),
      hint: expect.stringContaining('.log'),
    });
    const message = await failed.catch((error: Error) => error.message);
    expect(message).not.toContain('line 30\n');
    expect(lines).toHaveLength(50);
    expect(await readdir(join(dir, 'builds/work'))).toEqual([]);
    await expect(run({ command: sh('exit 0') })).resolves.toMatchObject({ reused: false });
  });

  test('a command that is not there', async () => {
    await expect(run({ command: ['no-such-tool', 'build'] })).rejects.toMatchObject({
      code: 'BUILD_FAILED',
      message: expect.stringContaining('no-such-tool'),
    });
  });

  test('an output that is not there, is a file, or leads out of the checkout', async () => {
    await expect(run({ output: 'dist' })).rejects.toMatchObject({
      code: 'BUILD_OUTPUT_MISSING',
      message: expect.stringContaining('index.txt'),
    });
    await expect(run({ output: 'index.txt' })).rejects.toMatchObject({ code: 'BUILD_OUTPUT_MISSING' });
    await expect(run({ command: sh('ln -s /etc dist'), output: 'dist' })).rejects.toMatchObject({
      code: 'BUILD_OUTPUT_MISSING',
      message: expect.stringContaining('inside'),
    });
  });

  test('letters that arrive in two halves, and a last line without an end', async () => {
    await run({ command: sh(String.raw`printf 'caf\303'; sleep 0.1; printf '\251\nend'`) });
    expect(lines).toEqual(['café', 'end']);
  });

  test.runIf(canMount())("a full disk is nobody's fault but the disk's", async () => {
    const disk = join(dir, 'disk');
    await mkdir(disk);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', disk]);
    try {
      const local = localBuilder({ dir: join(disk, 'builds'), source: folderSource(), artifacts: artifacts() });
      const building = local.build(request({ command: sh('head -c 9000000 /dev/zero > big') }), new AbortController().signal);
      await expect(building).rejects.toMatchObject({ code: 'DISK_FULL', blame: 'outside' });
      expect(await readdir(join(disk, 'builds/work'))).toEqual([]);
      const printing = local.build(
        request({ command: sh('head -c 9000000 /dev/zero | tr "\\0" "x" | fold') }),
        new AbortController().signal,
      );
      await expect(printing).rejects.toMatchObject({ code: 'DISK_FULL' });
    } finally {
      execFileSync('umount', [disk]);
    }
  });
});

describe('what it leaves behind', () => {
  /** A build with a child in the background, one in a session of its own, and one that will not end when asked. */
  const family = (file: string): readonly string[] =>
    sh(
      `echo $$ >> ${file}; sleep 600 & echo $! >> ${file}; setsid sleep 600 & echo $! >> ${file}; sh -c 'trap "" TERM; echo $$ >> ${file}; while :; do sleep 1; done' & wait`,
    );

  test('no process when its time is up', async () => {
    const file = join(dir, 'pids');
    await expect(run({ command: family(file) }, { timeoutMs: 1500 })).rejects.toMatchObject({ code: 'BUILD_TIMEOUT', blame: 'outside' });
    const pids = await pidsIn(file, 1);
    expect(pids.length).toBeGreaterThan(0);
    expect(await until(() => !pids.some(isAlive))).toBe(true);
  });

  test('no process when it is called off', async () => {
    const file = join(dir, 'pids');
    const controller = new AbortController();
    const building = run({ command: family(file) }, {}, controller.signal);
    const pids = await pidsIn(file, 4);
    controller.abort(new Error('called off'));
    await expect(building).rejects.toThrow('called off');
    expect(await until(() => !pids.some(isAlive))).toBe(true);
  });

  test('no process when it succeeds with something still running in the background', async () => {
    const file = join(dir, 'pids');
    await run({ command: sh(`sleep 600 & echo $! >> ${file}; setsid sleep 600 & echo $! >> ${file}`) });
    const pids = await pidsIn(file, 2);
    expect(await until(() => !pids.some(isAlive))).toBe(true);
  });

  test('no process, and in the end no folder, when the control plane is killed with -9', async () => {
    const file = join(dir, 'pids');
    const url = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href);
    const program = `import { cp } from 'node:fs/promises';
      import { localBuilder } from ${url('./local.ts')};
      import { fileArtifacts } from ${url('../artifacts/files.ts')};
      const [, dir, command] = process.argv;
      const source = { export: (_at, path, into) => cp(dir + '/sources/' + path, into, { recursive: true }) };
      const builder = localBuilder({ dir: dir + '/builds', source, artifacts: fileArtifacts({ dir: dir + '/artifacts' }) });
      await builder.build({ app: 'web', path: 'app', commit: 'c', fingerprint: 'f', build: { command: JSON.parse(command), output: '.', env: {} }, timeoutMs: 60000, onOutput() {} }, new AbortController().signal);`;
    const parent = spawn(
      process.execPath,
      ['--import', 'tsx', '--input-type=module', '--eval', program, dir, JSON.stringify(family(file))],
      { stdio: 'inherit' },
    );
    const ended = new Promise((resolve) => parent.once('exit', resolve));
    const pids = await pidsIn(file, 4);
    expect(pids).toHaveLength(4);
    parent.kill('SIGKILL');
    await ended;
    expect(await until(() => !pids.some(isAlive))).toBe(true);
    expect(await readdir(join(dir, 'builds/work'))).toHaveLength(1);
    await run(null);
    expect(await readdir(join(dir, 'builds/work'))).toEqual([]);
  });

  test('no process when the guard itself is killed', async () => {
    const file = join(dir, 'pids');
    const building = run({ command: sh(`echo $$ >> ${file}; echo $PPID >> ${file}; sleep 600 & echo $! >> ${file}; wait`) });
    const failed = building.catch((error: unknown) => error);
    const [build = 0, guard = 0, child = 0] = await pidsIn(file, 3);
    process.kill(guard, 'SIGKILL');
    expect(await failed).toMatchObject({ code: 'BUILD_LOST', blame: 'outside' });
    expect(await until(() => ![build, child].some(isAlive))).toBe(true);
  });

  test('only the newest logs', async () => {
    for (let i = 0; i < 22; i += 1) await run(null, { fingerprint: `f${i}` });
    expect(await readdir(join(dir, 'builds/logs/web'))).toHaveLength(20);
    expect((await stat(join(dir, 'builds/logs/web'))).isDirectory()).toBe(true);
  });
});

/** Whether this process may mount a small file system. */
function canMount(): boolean {
  try {
    execFileSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'tmpfs', tmpdir()], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
