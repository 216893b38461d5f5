import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { built } from '../../test/worlds/built.ts';
import { startTimeOf } from '../lib/process-identity.ts';
import { lockOwner, tryLock } from './lock.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-lock-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('one has it at a time, and each owner has a higher token', async () => {
  const first = await tryLock(folder, 'a');
  expect(await tryLock(folder, 'a')).toBeNull();
  expect(await tryLock(folder, 'b')).not.toBeNull();
  expect(await lockOwner(folder, 'a')).toMatchObject({ pid: process.pid });
  await first?.release();
  expect(await lockOwner(folder, 'a')).toBeNull();
  const second = await tryLock(folder, 'a');
  expect(second?.token).toBeGreaterThan(first?.token ?? 0);
  expect(readdirSync(folder).filter((name) => name.startsWith('.a.'))).toHaveLength(1);
});

test('of many at once in one process, one gets it', async () => {
  const locks = await Promise.all(Array.from({ length: 25 }, () => tryLock(folder, 'a')));
  expect(locks.filter((lock) => lock !== null)).toHaveLength(1);
});

test.each([
  ['of a process that is gone', { pid: 999_999, startTime: 'then', nonce: 'n' }],
  ['of a recycled pid', { pid: process.ppid, startTime: 'another time', nonce: 'n' }],
  ['that this process has forgotten', { pid: process.pid, startTime: 'now', nonce: 'n' }],
  ['that is damaged', 'rubbish'],
])('a lock %s is free', async (_, owner) => {
  if (typeof owner !== 'string' && owner.startTime === 'now') owner.startTime = (await startTimeOf(process.pid)) ?? '';
  writeFileSync(join(folder, '.a.lock.7'), typeof owner === 'string' ? owner : JSON.stringify(owner));
  const locks = await Promise.all([tryLock(folder, 'a'), tryLock(folder, 'a'), tryLock(folder, 'a')]);
  expect(locks.flatMap((lock) => (lock === null ? [] : [lock.token]))).toEqual([8]);
});

test('a lock of a living process is not taken from it', async () => {
  writeFileSync(join(folder, '.a.lock.3'), JSON.stringify({ pid: process.ppid, startTime: await startTimeOf(process.ppid), nonce: 'n' }));
  expect(await tryLock(folder, 'a')).toBeNull();
});

test('processes that contend, some of them dying with the lock in hand, lose no update', async () => {
  const file = join(folder, 'number');
  writeFileSync(file, '0');
  const { folder: code, url } = await built(['test/worlds/lock-contender.ts']);
  try {
    const entry = fileURLToPath(url('test/worlds/lock-contender.ts'));
    const rounds = [20, 20, 20, 20];
    const dieIn = [0, 0, 5, 11];
    await Promise.all(rounds.map((count, i) => contender([entry, folder, file, String(count), String(dieIn[i])])));
    expect(Number(readFileSync(file, 'utf8'))).toBe(20 + 20 + 5 + 11);
  } finally {
    rmSync(code, { recursive: true, force: true });
  }
});

function contender(args: string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { stdio: 'inherit' });
    child.once('exit', (code, signal) => (code === 0 || signal === 'SIGKILL' ? resolve() : reject(new Error(`code ${code}`))));
  });
}
