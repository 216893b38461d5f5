// Settles payments from the queue, one worker at a time. No port: it is alive while it runs.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openQueue } from './queue.js';

const read = (name) => readFileSync(new URL(name, import.meta.url), 'utf8');
const fault = JSON.parse(read('fault.json'));
const release = read('VERSION').trim();
let stopping = false;
let settled = 0;
process.once('SIGTERM', () => {
  stopping = true;
});

if (fault.kind === 'badHealth') {
  console.error('this version cannot start');
  process.exit(1);
}
const queue = await openQueue(join(process.env.HARBOUR_DATA ?? 'data', 'payments'));
console.log(`settling, release ${release}`);
while (!stopping) {
  const done = await queue.work(settle, () => stopping);
  if (done === 0) await sleep(100);
}
console.log('the job under way is settled; ending');

async function settle(job) {
  settled += 1;
  if (fault.kind === 'crashAfter' && settled > fault.requests) process.exit(1);
  if (fault.kind === 'slow') await sleep(fault.ms);
  return { ...job, settledBy: process.env.SLUICE_VERSION ?? 'local', release };
}
