import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { examineAccess } from './access.ts';

let workspace: string;
beforeEach(async () => {
  workspace = await mkdtemp(join(tmpdir(), 'sluice-access-'));
  await mkdir(join(workspace, '.sluice'));
  for (const file of ['control-plane.json', 'values.json']) await writeFile(join(workspace, '.sluice', file), '{}', { mode: 0o600 });
});
afterEach(() => rm(workspace, { recursive: true, force: true }));

test('files that others may read are named, and that apps run as the same user is said', async () => {
  expect(await examineAccess(workspace, 1000)).toMatchObject({ status: 'ok', message: expect.stringContaining('same user') });
  expect(await examineAccess(workspace, 0)).toMatchObject({ status: 'warn', message: expect.stringContaining('as root') });
  await chmod(join(workspace, '.sluice/values.json'), 0o640);
  expect(await examineAccess(workspace, 1000)).toMatchObject({ status: 'fail', message: expect.stringContaining('values.json') });
});
