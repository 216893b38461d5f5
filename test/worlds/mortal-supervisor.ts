import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Supervision } from '../../src/supervisor/crew.ts';
import { supervise } from '../../src/supervisor/supervise.ts';

/*
 * A supervisor that is killed (SIGKILL) after its n-th write to the outside, where n stands in `<version>/die-after`;
 * only once, so that the next one lives. Without the file it is an ordinary supervisor.
 */
let input = '';
for await (const part of process.stdin) input += String(part);
const supervision = JSON.parse(input) as Supervision;
const file = join(supervision.folder, 'die-after');
const last = read();
let writes = 0;
await supervise(supervision, () => {
  writes += 1;
  if (writes === last) process.kill(process.pid, 'SIGKILL');
});
process.exit(0);

function read(): number {
  try {
    return Number(readFileSync(file, 'utf8'));
  } catch {
    return 0;
  } finally {
    rmSync(file, { force: true });
  }
}
