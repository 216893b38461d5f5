import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { tryLock } from '../../src/supervisor/lock.ts';

/*
 * Raises the number in a file a few times, each time under the lock; some contenders die while they hold it,
 * right after raising. argv: folder, file, rounds, and the round to die in (0: none).
 */
const [folder = '', file = '', rounds = '0', dieIn = '0'] = process.argv.slice(2);
for (let round = 1; round <= Number(rounds);) {
  const lock = await tryLock(folder, 'test');
  if (lock === null) {
    await sleep(1);
    continue;
  }
  const before = Number(readFileSync(file, 'utf8'));
  await sleep(1);
  writeFileSync(file, String(before + 1));
  if (round === Number(dieIn)) process.kill(process.pid, 'SIGKILL');
  await lock.release();
  round += 1;
}
