import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { policyInFile } from './template-file.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-template-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function read(text: string) {
  const path = join(folder, 'policy.yaml');
  await writeFile(path, text);
  return policyInFile(path);
}

it('reads a policy of any judge', async () => {
  expect(await policyInFile(null)).toMatchObject({ judge: 'sequential' });
  expect(await read('metrics: [{ measure: p95, success: "< 300 ms" }]')).toMatchObject({ judge: 'threshold' });
  expect(await read('judge: kayenta\ninterval: 10s\ngroupWeights: { all: 100 }')).toMatchObject({
    judge: 'kayenta',
    intervalMs: 10_000,
    minPoints: 50,
    groupWeights: { all: 100 },
  });
});

it('refuses what is no policy, and what does not fit together', async () => {
  await expect(read('judge: kayentta')).rejects.toMatchObject({ code: 'TEMPLATE_INVALID', message: expect.stringContaining('judge') });
  await expect(read('judge: kayenta\ngroupWeights: { all: 90 }')).rejects.toMatchObject({
    code: 'TEMPLATE_INVALID',
    message: expect.stringContaining('groupWeights: found 90 in all'),
  });
  await expect(read('metrics: [{ measure: p95 }]')).rejects.toMatchObject({
    message: expect.stringContaining('metrics[0]: has neither success nor failure'),
  });
  await expect(policyInFile(join(folder, 'none.yaml'))).rejects.toMatchObject({ code: 'TEMPLATE_UNREADABLE' });
});
