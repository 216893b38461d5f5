/**
 * How long the command takes to start, as ratios to `node -e 0` in the same run: processor time (user and system) of whole processes,
 * taken in turn so that a change of the machine's speed meets all of them. `plan` and `status` ask a control plane that runs already.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { machine, median, table, writeResults } from './_lib.ts';

const ROUNDS = Number(process.env['ROUNDS'] ?? 15);
const ROOT = join(import.meta.dirname, '..');
const CLI = join(ROOT, 'dist/cli/sluice.cjs');
const BARE = ['-e', '0'];

const folder = mkdtempSync(join(tmpdir(), 'sluice-startup-'));
const workspace = join(folder, 'harbour');
const sluice = (...args: readonly string[]): readonly string[] => [CLI, ...args];
const cases = [
  { name: '`--version`', args: sluice('--version'), goal: '2' },
  { name: '`--help`', args: sluice('--help'), goal: '2' },
  { name: '`deploy --help`', args: sluice('deploy', '--help'), goal: '–' },
  { name: '`status`, control plane running', args: sluice('status', '-C', workspace), goal: '3' },
  { name: '`plan -e production`, warm', args: sluice('plan', '-e', 'production', '-C', workspace), goal: '–' },
];

try {
  cpSync(join(ROOT, 'examples/harbour'), workspace, { recursive: true });
  writeFileSync(join(workspace, '.gitignore'), '.sluice/\n__pycache__/\n');
  for (const args of [
    ['init', '-q'],
    ['add', '-A'],
    ['-c', 'user.name=a', '-c', 'user.email=a@b.example', 'commit', '-qm', 'one'],
  ])
    execFileSync('git', args, { cwd: workspace });
  execFileSync(process.execPath, sluice('status', '-C', workspace), { stdio: 'inherit' });
  const bare: number[] = [];
  const seconds = cases.map((): number[] => []);
  for (let round = 0; round < ROUNDS; round += 1) {
    bare.push(processorSeconds(BARE));
    for (const [index, { args }] of cases.entries()) seconds[index]?.push(processorSeconds(args));
  }
  const base = median(bare);
  const rows = cases.map(({ name, goal }, index) => {
    const own = median(seconds[index] ?? []);
    return [name, (own * 1000).toFixed(0), (own / base).toFixed(2), goal];
  });
  const head = ['command', 'CPU, ms (median)', '× `node -e 0`', 'goal (at most)'];
  const text = `## Start-up\n\n${ROUNDS} rounds in turn, ${machine()}; \`node -e 0\` takes ${(base * 1000).toFixed(0)} ms of CPU. Processor time of the command alone, not of the control plane that it asks. \`make build && node --import tsx bench/startup.bench.ts\`\n\n${table(head, rows)}`;
  console.log(text);
  writeResults('startup', text);
} finally {
  spawnSync(process.execPath, sluice('down', '--all', '--yes', '-C', workspace), { stdio: 'ignore' });
  rmSync(folder, { recursive: true, force: true });
}

/** User and system time of one process of Node, from the shell's own accounting. */
function processorSeconds(args: readonly string[]): number {
  const script = 'TIMEFORMAT="%U %S"; exec 3>&2; time "$@" >/dev/null 2>/dev/null';
  const { stderr } = spawnSync('bash', ['-c', script, 'bash', process.execPath, ...args], { encoding: 'utf8' });
  const [user = Number.NaN, system = Number.NaN] = stderr.trim().split(' ').map(Number);
  if (!Number.isFinite(user + system)) throw new Error(`no times in "${stderr}"`);
  return user + system;
}
