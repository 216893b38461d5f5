// Settles payments from the queue. No port: it is alive while it runs. Of several instances each has its part of the queue.
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
const mine = { part: Number(process.env.SLUICE_INSTANCE ?? 0), parts: Number(process.env.SLUICE_INSTANCES ?? 1) };
console.log(`settling, release ${release}`);
while (!stopping) {
  const done = await queue.work(settle, () => stopping, mine);
  if (done === 0) await sleep(100);
}
console.log('the job under way is settled; ending');

async function settle(job) {
  settled += 1;
  if (fault.kind === 'crashAfter' && settled > fault.requests) process.exit(1);
  const since = performance.now();
  // The bank takes a few ms to answer.
  await sleep(2 + Math.random() * 6 + (fault.kind === 'slow' ? fault.ms : 0));
  // The bank says no, and is asked again.
  const failed = fault.kind === 'errors' && Math.random() < fault.rate;
  const waited = job.at === undefined ? '' : `, waited ${Date.now() - job.at} ms`;
  console.log(`settled ${job.id ?? 'a payment'}${failed ? ' after a failure' : ''} in ${Math.ceil(performance.now() - since)} ms${waited}`);
  return { ...job, settledBy: process.env.SLUICE_VERSION ?? 'local', release };
}
