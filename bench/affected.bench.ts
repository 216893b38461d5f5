/**
 * Which projects a range of commits affects, as Sluice, turbo, nx and moon tell it:
 * `npm run build && node --import tsx bench/affected.bench.ts [--projects=999,4999] [--repeats=5]`.
 * The peers are installed into bench/peers/affected on the first run. They see the same repository in the same state.
 */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { manifestReaders } from '../src/adapters/manifests/index.ts';
import { gitHistory } from '../src/adapters/source/history.ts';
import { sha256Hex } from '../src/services/planning/digest.ts';
import { affectedBy, indexOf } from '../src/core/changes/affected.ts';
import { fingerprintsOf, manifestsAt } from '../src/services/affected/workspace.ts';
import { machine, median, table, writeResults } from './_lib.ts';
import { type Generated, generate } from './affected/repository.ts';

const option = (name: string, otherwise: string): string =>
  process.argv.find((arg) => arg.startsWith(`--${name}=`))?.split('=')[1] ?? otherwise;
const SIZES = option('projects', '999,4999').split(',').map(Number);
const REPEATS = Number(option('repeats', '5'));
const FILES = option('files', '');
/** Peers that take minutes may be left out where there are many projects. */
const SLOW_BELOW = Number(option('slow-below', '100000'));
const DIST = option('dist', join(import.meta.dirname, '..', 'dist'));
const PEERS = join(import.meta.dirname, 'peers', 'affected');
const bin = (name: string): string => join(PEERS, 'node_modules', '.bin', name);

interface Ran {
  readonly ms: number;
  /** Time of processors, user and system. */
  readonly cpuMs: number;
  readonly megabytes: number;
  readonly output: string;
}

/** One run, with its wall time and the memory of its largest process. */
function run(dir: string, command: readonly string[], env: Record<string, string> = {}): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn('/usr/bin/time', ['-f', 'rss=%M user=%U sys=%S', ...command], {
      cwd: dir,
      env: { ...process.env, ...env, CI: '', TURBO_TELEMETRY_DISABLED: '1', DO_NOT_TRACK: '1', MOON_TELEMETRY: 'false', NO_COLOR: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    // It has begun: how long this large process takes to begin another is nobody's.
    const from = performance.now();
    let [output, errors] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString('utf8')));
    child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString('utf8')));
    child.on('error', reject);
    child.on('close', (code) => {
      const ms = performance.now() - from;
      const seconds = Number(/user=([\d.]+)/.exec(errors)?.[1] ?? 0) + Number(/sys=([\d.]+)/.exec(errors)?.[1] ?? 0);
      if (code === 0) resolve({ ms, cpuMs: seconds * 1000, megabytes: Number(/rss=(\d+)/.exec(errors)?.[1] ?? 0) / 1024, output });
      else reject(new Error(`${command.join(' ')} ended with ${code}: ${errors.slice(-600)}${output.slice(-300)}`));
    });
  });
}

interface Contender {
  readonly name: string;
  readonly repeats: number;
  readonly before?: (repository: Generated) => void;
  readonly warm?: boolean;
  readonly run: (repository: Generated) => Promise<Ran>;
  /** Names of the affected projects, `p12`, from what it printed. */
  readonly read: (output: string) => readonly string[];
}

const sluice = ({ dir, base }: Generated): Promise<Ran> =>
  run(dir, [join(DIST, 'cli', 'sluice.cjs'), 'affected', '--since', base, '--json']);
const nx = ({ dir, base }: Generated, daemon: boolean): Promise<Ran> =>
  run(dir, [bin('nx'), 'show', 'projects', '--affected', `--base=${base}`, '--head=HEAD', '--json'], {
    NX_DAEMON: String(daemon),
    NX_TUI: 'false',
  });
const readSluice = (output: string): string[] =>
  (JSON.parse(output) as { projects: string[] }).projects.map((path) => path.replace('packages/', ''));
const readMoon = (output: string): string[] => (JSON.parse(output) as { projects: { id: string }[] }).projects.map(({ id }) => id);
const readNames = (output: string): string[] => [...new Set(output.match(/\bp\d+\b/g))];

const CONTENDERS: readonly Contender[] = [
  {
    name: 'git diff --name-only',
    repeats: REPEATS,
    run: ({ dir, base }) => run(dir, ['git', 'diff', '--name-only', base, 'HEAD']),
    read: () => [],
  },
  { name: 'node -e 0', repeats: REPEATS, run: ({ dir }) => run(dir, [process.execPath, '-e', '0']), read: () => [] },
  { name: 'Sluice, warm', repeats: REPEATS, warm: true, run: sluice, read: readSluice },
  {
    name: 'Sluice, cold',
    repeats: REPEATS,
    before: ({ dir }) => rmSync(join(dir, '.sluice', 'cache'), { recursive: true, force: true }),
    run: sluice,
    read: readSluice,
  },
  {
    name: 'turbo',
    repeats: REPEATS,
    warm: true,
    run: ({ dir, base }) => run(dir, [bin('turbo'), 'ls', '--affected', '--output=json'], { TURBO_SCM_BASE: base, TURBO_SCM_HEAD: 'HEAD' }),
    read: (output) => [...output.matchAll(/"name":\s*"(p\d+)"/g)].map((found) => found[1] ?? ''),
  },
  { name: 'nx, daemon', repeats: REPEATS, warm: true, run: (repository) => nx(repository, true), read: readNames },
  { name: 'nx, no daemon', repeats: 1, warm: true, run: (repository) => nx(repository, false), read: readNames },
  {
    name: 'moon',
    repeats: 1,
    warm: true,
    run: ({ dir, base }) =>
      run(dir, [bin('moon'), 'query', 'projects', '--affected', '--downstream', 'deep'], { MOON_BASE: base, MOON_HEAD: 'HEAD' }),
    read: readMoon,
  },
];

interface Measured {
  readonly ms: number;
  readonly cpuMs: number;
  readonly megabytes: number;
  readonly found: readonly string[] | null;
}

async function measure(contender: Contender, repository: Generated): Promise<Measured | string> {
  try {
    if (contender.warm === true) await contender.run(repository);
    const runs: Ran[] = [];
    for (let i = 0; i < contender.repeats; i += 1) {
      contender.before?.(repository);
      runs.push(await contender.run(repository));
    }
    const names = contender.read(runs.at(-1)?.output ?? '').toSorted();
    return {
      ms: median(runs.map((one) => one.ms)),
      cpuMs: median(runs.map((one) => one.cpuMs)),
      megabytes: Math.max(...runs.map((one) => one.megabytes)),
      found: names.length === 0 ? null : names,
    };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** The library's own work, without a program around it: graph in memory, the changed files from git. */
async function inProcess({ dir, base }: Generated): Promise<{ own: number; diff: number; fingerprints: number; projects: number }> {
  const history = gitHistory({ dir });
  const head = await history.resolve('HEAD');
  const { projects } = await manifestsAt({ history, manifests: manifestReaders }, head, []);
  const index = indexOf(projects);
  const [own, diff, prints]: [number[], number[], number[]] = [[], [], []];
  for (let i = 0; i < REPEATS * 3; i += 1) {
    diff.push(await timed(() => plainDiff(dir, base)));
    own.push(
      await timed(async () => {
        const changed = await history.changed(base, head);
        affectedBy(
          index,
          null,
          changed.map(({ path }) => path),
        );
      }),
    );
    if (i % 3 === 0) prints.push(await timed(() => fingerprintsOf(history, head, projects, sha256Hex)));
  }
  return {
    own: median(own),
    diff: median(diff),
    fingerprints: median(prints),
    projects: [...projects.keys()].filter((name) => !name.includes(':')).length,
  };
}

function plainDiff(dir: string, base: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('git', ['diff', '--name-only', base, 'HEAD'], { cwd: dir, stdio: ['ignore', 'pipe', 'ignore'] });
    child.stdout.resume();
    child.on('error', reject).on('close', () => resolve());
  });
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const from = performance.now();
  await work();
  return performance.now() - from;
}

function rowOf(contender: Contender, measured: Measured | string, own: Measured | string | undefined): string[] {
  if (typeof measured === 'string') return [contender.name, 'did not run', '', '', '', measured.split('\n')[0]?.slice(0, 80) ?? ''];
  const ours = typeof own === 'object' ? own : null;
  const same =
    measured.found === null || ours?.found == null
      ? ''
      : measured.found.join() === ours.found.join()
        ? 'the same set'
        : `another set: ${measured.found.length}`;
  return [
    contender.name,
    measured.ms.toFixed(0),
    measured.cpuMs.toFixed(0),
    measured.megabytes.toFixed(0),
    ours === null ? '' : (measured.ms / ours.ms).toFixed(2),
    measured.found === null ? '' : `${measured.found.length}, ${same}`,
  ];
}

async function section(size: number): Promise<string> {
  const repository = await generate(size, FILES === '' ? Math.round(100_000 / size) - 2 : Number(FILES), PEERS);
  try {
    const results = new Map<string, Measured | string>();
    for (const contender of CONTENDERS) {
      const skipped = contender.repeats === 1 && size >= SLOW_BELOW;
      results.set(contender.name, skipped ? 'left out of this run: it takes minutes' : await measure(contender, repository));
      console.error(size, contender.name, JSON.stringify(results.get(contender.name)).slice(0, 160));
    }
    const warm = results.get('Sluice, warm');
    const inner = await inProcess(repository);
    const rows = CONTENDERS.map((contender) => rowOf(contender, results.get(contender.name) ?? '', warm));
    const ratio = (a: string, b: string): string => {
      const [one, other] = [results.get(a), results.get(b)];
      return typeof one === 'object' && typeof other === 'object'
        ? `${(one.ms / other.ms).toFixed(2)} (processors ${(one.cpuMs / other.cpuMs).toFixed(2)})`
        : '–';
    };
    return [
      `### ${size} projects, ${repository.files} files`,
      table(['', 'ms, median', 'ms of processors', 'MB, largest process', 'time by that of Sluice, warm', 'projects affected'], rows),
      `In process, graph in memory: ${inner.own.toFixed(1)} ms, ${(inner.own / inner.diff).toFixed(2)} × a spawned \`git diff\` (${inner.diff.toFixed(1)} ms; goal ≤ 1.3). Fingerprints of ${inner.projects} projects: ${inner.fingerprints.toFixed(0)} ms (goal ≤ 250 for 4,999).`,
      `turbo by Sluice warm ${ratio('turbo', 'Sluice, warm')} (goal ≥ 3), nx with its daemon by Sluice warm ${ratio('nx, daemon', 'Sluice, warm')} (goal ≥ 4), turbo by Sluice cold ${ratio('turbo', 'Sluice, cold')} (goal ≥ 1.5 at 4,999).`,
    ].join('\n\n');
  } finally {
    await run(repository.dir, [bin('nx'), 'daemon', '--stop']).catch(() => undefined);
    rmSync(repository.dir, { recursive: true, force: true, maxRetries: 5 });
  }
}

if (!existsSync(bin('turbo')))
  execFileSync('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: PEERS, stdio: 'inherit' });
const sections: string[] = [];
for (const size of SIZES) {
  sections.push(await section(size));
  const text = `## Affected projects\n\n${machine()}, load ${loadavg()[0]?.toFixed(0) ?? ''} on average; median of ${REPEATS} runs (nx without its daemon and moon: 1), each after one that was not counted, except cold; from when a program has begun to its end, all as executables. A range of 8 commits that changes no manifest. turbo 2.11.11, nx 24.0.6, moon 2.5.5. \`node --import tsx bench/affected.bench.ts\`\n\n${sections.join('\n\n')}`;
  console.log(text);
  writeResults('affected', text);
}
