/**
 * Readers of coverage reports against the parsers people use, and the cost of a check against a task of turbo:
 * `npx tsx bench/reports.bench.ts [--rounds=5] [--tasks=59]`. Peers are installed on the first run.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { machine, median, table, writeResults } from './_lib.ts';

const option = (name: string, otherwise: number) =>
  Number(process.argv.find((arg) => arg.startsWith(`--${name}=`))?.split('=')[1] ?? otherwise);
const ROUNDS = option('rounds', 5);
const TASKS = option('tasks', 59);
const PEERS = join(import.meta.dirname, 'peers/reports');
const ROOT = join(import.meta.dirname, '..');

if (!existsSync(join(PEERS, 'node_modules')))
  execFileSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: PEERS, stdio: 'inherit' });
const dir = mkdtempSync(join(tmpdir(), 'sluice-bench-reports-'));

/** 5,000 files, 2 million lines. */
function writeLcov(file: string): void {
  const parts: string[] = [];
  for (let f = 0; f < 5000; f += 1) {
    parts.push(`TN:\nSF:src/module${f % 50}/file${f}.ts\n`);
    let hit = 0;
    for (let line = 1; line <= 400; line += 1) {
      const hits = (line * 7 + f) % 5;
      if (hits > 0) hit += 1;
      parts.push(`DA:${line},${hits}\n`);
    }
    parts.push(`LF:400\nLH:${hit}\nend_of_record\n`);
  }
  writeFileSync(file, parts.join(''));
}

/** 2,500 classes, 1 million lines, a tenth with a condition. */
function writeCobertura(file: string): void {
  const parts = [
    '<?xml version="1.0" ?>\n<coverage version="7" line-rate="0.8"><sources><source>/work</source></sources><packages><package name="all"><classes>',
  ];
  for (let f = 0; f < 2500; f += 1) {
    parts.push(`<class name="file${f}" filename="src/file${f}.py" line-rate="0.8"><methods/><lines>\n`);
    for (let line = 1; line <= 400; line += 1) {
      const hits = (line * 7 + f) % 5;
      parts.push(
        line % 10 === 0
          ? `<line number="${line}" hits="${hits}" branch="true" condition-coverage="50% (1/2)"/>\n`
          : `<line number="${line}" hits="${hits}"/>\n`,
      );
    }
    parts.push('</lines></class>');
  }
  parts.push('</classes></package></packages></coverage>\n');
  writeFileSync(file, parts.join(''));
}

interface Measured {
  readonly ms: number;
  readonly megabytes: number;
  readonly lines: number;
  readonly hit: number;
}

function parse(parser: string, file: string): Measured {
  const program = join(import.meta.dirname, 'reports/parse.ts');
  return JSON.parse(
    execFileSync(process.execPath, ['--import', 'tsx', program, parser, file], { cwd: ROOT, encoding: 'utf8' }),
  ) as Measured;
}

/** Both in turn, so that what else the machine does meets both. */
function compare(own: string, peer: string, file: string): string[] {
  const runs = Array.from({ length: ROUNDS }, () => [parse(own, file), parse(peer, file)] as const);
  const [mine, theirs] = [runs.map(([one]) => one), runs.map(([, one]) => one)];
  if (mine[0]?.lines !== theirs[0]?.lines || mine[0]?.hit !== theirs[0]?.hit) throw new Error(`${own} and ${peer} do not count the same`);
  const time = (all: readonly Measured[]): number => median(all.map((one) => one.ms));
  const memory = (all: readonly Measured[]): number => median(all.map((one) => one.megabytes));
  const ratio = median(runs.map(([one, other]) => other.ms / one.ms));
  process.stderr.write(`${own}: ${ratio.toFixed(1)} times as fast as ${peer}\n`);
  return [
    `${own.replace('sluice-', '')}, ${(mine[0]?.lines ?? 0) / 1e6} M lines`,
    `${time(mine).toFixed(0)} ms, ${memory(mine).toFixed(0)} MB`,
    `${peer}: ${time(theirs).toFixed(0)} ms, ${memory(theirs).toFixed(0)} MB`,
    `${ratio.toFixed(1)} × as fast`,
  ];
}

const git = (cwd: string, ...args: string[]): void => void execFileSync('git', args, { cwd, stdio: 'ignore' });

/** A workspace of packages whose only task does nothing, for both. */
function writeWorkspace(root: string): void {
  const put = (path: string, value: object): void => writeFileSync(join(root, path), JSON.stringify(value, null, 1));
  for (let i = 0; i < TASKS; i += 1) {
    mkdirSync(join(root, `packages/p${i}`), { recursive: true });
    put(`packages/p${i}/package.json`, { name: `p${i}`, version: '1.0.0', scripts: { noop: 'true' } });
  }
  put('package.json', { name: 'all', private: true, packageManager: 'npm@10.8.2', workspaces: ['packages/*'] });
  put('turbo.json', { tasks: { noop: { cache: true } } });
  const apps = Object.fromEntries(
    Array.from({ length: TASKS }, (_, i) => [`p${i}`, { path: `packages/p${i}`, run: ['node', 'none.js'], checks: { noop: ['true'] } }]),
  );
  put('sluice.config.json', { workspace: 'all', apps });
  writeFileSync(join(root, '.gitignore'), '.sluice/\nnode_modules/\n.turbo/\n');
  execFileSync('npm', ['install', '--package-lock-only', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: root });
  git(root, 'init', '-q');
  git(root, 'add', '-A');
  git(root, '-c', 'user.name=a', '-c', 'user.email=a@example.com', 'commit', '-qm', 'x');
}

function timed(command: string, args: readonly string[], cwd: string): number {
  const began = performance.now();
  const { status, stderr, stdout } = spawnSync(command, [...args], {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, TURBO_TELEMETRY_DISABLED: '1', DO_NOT_TRACK: '1' },
  });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stdout}${stderr}`);
  return performance.now() - began;
}

function overhead(): string[] {
  const root = join(dir, 'workspace');
  mkdirSync(root);
  writeWorkspace(root);
  const turbo = join(PEERS, 'node_modules/.bin/turbo');
  const tsx = join(ROOT, 'node_modules/tsx/dist/esm/index.mjs');
  const own = ['--import', tsx, join(ROOT, 'src/cli/main.ts'), 'check', '--jobs', '2'];
  const runs = Array.from({ length: Math.min(ROUNDS, 3) }, () => {
    const mine = timed(process.execPath, [...own, '--force'], root);
    const theirs = timed(turbo, ['run', 'noop', '--concurrency=2', '--force', '--no-daemon'], root);
    process.stderr.write(`${TASKS} tasks: sluice ${mine.toFixed(0)} ms, turbo ${theirs.toFixed(0)} ms\n`);
    return [mine, theirs] as const;
  });
  const again = timed(process.execPath, own, root);
  const ratio = median(runs.map(([mine, theirs]) => mine / theirs));
  return [
    `${TASKS} tasks that do nothing, 2 at a time`,
    `${(median(runs.map(([mine]) => mine)) / 1000).toFixed(1)} s (nothing changed: ${(again / 1000).toFixed(1)} s)`,
    `turbo, nothing cached: ${(median(runs.map(([, theirs]) => theirs)) / 1000).toFixed(1)} s`,
    `${ratio.toFixed(2)} of the time`,
  ];
}

try {
  const [lcov, cobertura] = [join(dir, 'lcov.info'), join(dir, 'cobertura.xml')];
  writeLcov(lcov);
  writeCobertura(cobertura);
  const rows = [compare('sluice-lcov', 'lcov-parse', lcov), compare('sluice-cobertura', 'fast-xml-parser', cobertura), overhead()];
  const text = `## Reports and checks

${table(['what', 'Sluice', 'peer', 'ratio'], rows)}

${machine()}. Each parser in a process of its own, from the file to counted lines, median of ${ROUNDS} rounds in turn; both counted the same. The tasks are
\`true\`; Sluice's time is all of \`sluice check --force\`, run from source: start, git, processes, evidence, gates. turbo runs them through npm.`;
  writeResults('reports', text);
  process.stdout.write(`${text}\n`);
} finally {
  rmSync(dir, { recursive: true, force: true });
}
