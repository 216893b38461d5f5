import { expect, test } from 'vitest';
import { OutsideError } from '../../core/errors.ts';
import type { Access } from '../../ports/access.ts';
import { examinePlatform } from './platforms.ts';

const asked = (access: () => Promise<Access>) => examinePlatform({ name: 'cloud', access }, 50);

test('doctor tells what a platform says of its access, under the name of the platform', async () => {
  const said = { status: 'warn', message: 'the token ends tomorrow', hint: 'Make a new one.' } as const;
  expect(await asked(async () => said)).toEqual({ name: 'platform cloud', ...said });
});

test('a platform that fails over the question, or never answers, is not well', async () => {
  const refused = new OutsideError('CLOUD_FAILED', 'the cloud answers 500', 'See its status page.');
  expect(await asked(() => Promise.reject(refused))).toMatchObject({ status: 'fail', message: refused.message, hint: refused.hint });
  expect(await asked(() => Promise.reject(new Error('boom')))).toMatchObject({ status: 'fail', hint: expect.stringContaining('cloud') });
  expect(await asked(() => new Promise(() => {}))).toMatchObject({ status: 'fail', message: 'no answer within 0.05 s' });
});
