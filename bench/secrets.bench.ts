/**
 * The secret scan against secretlint, on a tree of 100,000 files and on real code: `npx tsx bench/secrets.bench.ts [--files=100000] [--rounds=3]`.
 * Peers are installed on the first run. Each run is a process of its own, so that its memory is its own.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { machine, median, table, writeResults } from './_lib.ts';

const option = (name: string, otherwise: number) =>
  Number(process.argv.find((arg) => arg.startsWith(`--${name}=`))?.split('=')[1] ?? otherwise);
const FILES = option('files', 100_000);
const ROUNDS = option('rounds', 3);
const ROOT = join(import.meta.dirname, '..');
const PEERS = join(import.meta.dirname, 'peers/secrets');
if (!existsSync(join(PEERS, 'node_modules')))
  execFileSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: PEERS, stdio: 'inherit' });

const dir = mkdtempSync(join(tmpdir(), 'sluice-bench-secrets-'));
const own = join(dir, 'scan.mjs');
await build({
  stdin: {
    contents: `import { scanSecrets } from './src/services/scan/scan.ts';
      const { findings, files, bytes } = await scanSecrets(process.argv[2], { what: { kind: 'tree' }, force: true });
      console.log(JSON.stringify({ findings: findings.length, files, bytes, kilobytes: process.resourceUsage().maxRSS }));`,
    resolveDir: ROOT,
  },
  bundle: true,
  platform: 'node',
  format: 'esm',
  outfile: own,
  logLevel: 'silent',
});

/** As the trees of the change detection: small sources of many projects, a secret in every 5,000th. */
function writeTree(tree: string): void {
  const body = Array.from({ length: 22 }, (_, i) => `export function step${i}(value) { return value * ${i} + offset; }`).join('\n');
  for (let i = 0; i < FILES; i += 1) {
    const folder = join(tree, `project${Math.floor(i / 100)}`);
    if (i % 100 === 0) mkdirSync(folder, { recursive: true });
    const token = `ghp_${String(i).padStart(6, '0')}aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC2`;
    const secret = i % 5000 === 0 ? `const key = "${token}";\n` : '';
    writeFileSync(join(folder, `file${i}.js`), `// file ${i}\nconst offset = ${i};\n${secret}${body.slice(0, 700)}\n`);
  }
}

function repository(tree: string): void {
  writeFileSync(join(tree, '.gitignore'), '.env\n.sluice/\n');
  execFileSync('git', ['init', '--quiet'], { cwd: tree });
  execFileSync('git', ['add', '--all', '--force'], { cwd: tree, maxBuffer: 1e9 });
}

interface Ran {
  readonly seconds: number;
  readonly megabytes: number;
  readonly said: string;
}

const USAGE = 'process.on("exit", () => process.stderr.write("\\nRSS " + process.resourceUsage().maxRSS + "\\n"));';

function run(args: readonly string[], cwd: string): Ran {
  const before = process.hrtime.bigint();
  const ran = spawnSync(process.execPath, ['--import', `data:text/javascript,${encodeURIComponent(USAGE)}`, ...args], {
    cwd,
    encoding: 'utf8',
    maxBuffer: 1e9,
    timeout: 900_000,
  });
  const seconds = Number(process.hrtime.bigint() - before) / 1e9;
  if (ran.status === null || ran.status > 1) throw new Error(`${args.join(' ')}: ${ran.stderr.slice(0, 2000)}`);
  return { seconds, megabytes: Number(/RSS (\d+)/.exec(ran.stderr)?.[1] ?? Number.NaN) / 1024, said: ran.stdout };
}

function ours(tree: string): Ran & { readonly bytes: number; readonly findings: number } {
  const ran = run([own, tree], tree);
  const { bytes, findings } = JSON.parse(ran.said) as { bytes: number; findings: number };
  return { ...ran, bytes, findings };
}

function secretlint(tree: string): Ran {
  const config = join(PEERS, 'config.json');
  writeFileSync(config, JSON.stringify({ rules: [{ id: '@secretlint/secretlint-rule-preset-recommend' }] }));
  const cli = join(PEERS, 'node_modules/secretlint/bin/secretlint.js');
  try {
    return run(
      ['--import', join(PEERS, 'without-profiler.mjs'), cli, '--secretlintrc', config, '--format', 'json', '**/*.{js,ts,mjs,cjs,json,md}'],
      tree,
    );
  } finally {
    rmSync(config);
  }
}

try {
  const many = join(dir, 'many');
  mkdirSync(many);
  writeTree(many);
  repository(many);
  const peer = secretlint(many);
  const rounds = Array.from({ length: ROUNDS }, () => ours(many));
  const seconds = median(rounds.map((one) => one.seconds));
  const real = join(dir, 'real');
  mkdirSync(real);
  for (const name of ['typescript/lib', 'zod', 'fastify', 'vite/dist', '@types', 'commander', 'yaml', 'ajv', 'fast-check']) {
    const from = join(ROOT, 'node_modules', name);
    if (existsSync(from)) cpSync(from, join(real, name.replace('/', '-')), { recursive: true, dereference: true });
  }
  repository(real);
  const code = Array.from({ length: ROUNDS }, () => ours(real));
  const speed = median(code.map((one) => one.bytes / 1e6 / one.seconds));
  const rows = [
    [`${FILES} files, secretlint 11.7.1 without its profiler`, `${peer.seconds.toFixed(1)} s`, `${peer.megabytes.toFixed(0)} MB`, ''],
    [
      `${FILES} files, sluice scan`,
      `${seconds.toFixed(1)} s`,
      `${median(rounds.map((one) => one.megabytes)).toFixed(0)} MB`,
      `${(peer.seconds / seconds).toFixed(1)}× as fast (asked for: 5×), ${rounds[0]?.findings} found`,
    ],
    [
      `real code, ${((code[0]?.bytes ?? 0) / 1e6).toFixed(0)} MB, sluice scan`,
      `${median(code.map((one) => one.seconds)).toFixed(2)} s`,
      `${median(code.map((one) => one.megabytes)).toFixed(0)} MB`,
      `${speed.toFixed(0)} MB/s with its start and git (asked for: 15)`,
    ],
  ];
  const text = `## Secret scan\n\n${machine()}; medians of ${ROUNDS}, each a process of its own.\n\n${table(['what', 'time', 'memory', ''], rows)}`;
  process.stdout.write(`${text}\n`);
  writeResults('secrets', text);
} finally {
  rmSync(dir, { recursive: true, force: true });
}
