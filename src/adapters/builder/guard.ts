/**
 * The program of the small process that stands between us and a build. It runs the build in a process
 * group of its own and ends the whole group when its standard input closes, which the kernel does when we
 * die, however we die. Plain JavaScript as text, so that it starts fast (no loader) and is the same from
 * source and built.
 *
 * Argument: JSON `{ argv, graceMs, mark }`. File descriptor 3: one JSON line with the build's `pid`, one
 * with how it ended (`code`, `signal` or `error`).
 *
 * A process that the build moved to a group of its own is found by `mark`, a variable that every
 * descendant inherits (on Linux, where other processes' environment can be read).
 */
export const GUARD = String.raw`
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, writeSync } from 'node:fs';

const { argv, graceMs, mark } = JSON.parse(process.argv[1]);
const tell = (message) => { try { writeSync(3, JSON.stringify(message) + '\n'); } catch {} };

const child = spawn(argv[0], argv.slice(1), { detached: true, stdio: ['ignore', 'inherit', 'inherit', 'ignore'] });
child.on('error', (error) => { tell({ error: error.code ?? error.message }); process.exit(); });
if (child.pid !== undefined) tell({ pid: child.pid });

const kill = (pid, signal) => { try { process.kill(pid, signal); } catch {} };
function strays() {
  const found = [];
  let names = [];
  try { names = readdirSync('/proc'); } catch {}
  for (const name of names) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
    try { if (readFileSync('/proc/' + name + '/environ', 'latin1').split('\0').includes(mark)) found.push(Number(name)); } catch {}
  }
  return found;
}
function killAll(signal) {
  kill(-child.pid, signal);
  for (const pid of strays()) kill(pid, signal);
}
function finish(ended) {
  // What the build left running in the background ends with it. Twice: one may have forked meanwhile.
  killAll('SIGKILL');
  killAll('SIGKILL');
  tell(ended);
  process.exit();
}
let stopping = false;
function stop() {
  if (stopping) return;
  stopping = true;
  killAll('SIGTERM');
  setTimeout(() => finish({ signal: 'SIGKILL' }), graceMs);
}
child.on('exit', (code, signal) => finish({ code, signal }));
process.stdin.on('end', stop).on('error', stop).resume();
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, stop);
`;
