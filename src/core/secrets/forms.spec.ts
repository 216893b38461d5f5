import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createRedactor } from '../../server/http/redact.ts';
import { formsOf, isHidden, SHORTEST_SECRET } from './forms.ts';

const secret = fc.oneof(
  fc.string({ unit: 'grapheme', minLength: 9, maxLength: 40 }),
  fc.base64String({ minLength: 12, maxLength: 60 }),
  fc.array(fc.stringMatching(/^[A-Za-z0-9+/]{16,64}$/), { minLength: 2, maxLength: 5 }).map((lines) => lines.join('\n')),
);
const WRAPPED: Readonly<Record<string, (text: string) => string>> = {
  'as it is': (text) => text,
  'in JSON': (text) => JSON.stringify({ a: text }),
  'in JSON in JSON': (text) => JSON.stringify(JSON.stringify({ a: text })),
  'in a URL': (text) => `https://x/?a=${encodeURIComponent(text)}`,
  'in a form': (text) => new URLSearchParams({ a: text }).toString(),
  'in base64': (text) => Buffer.from(text).toString('base64'),
  'in base64url': (text) => Buffer.from(text).toString('base64url'),
  'in basic authorization': (text) => `Basic ${Buffer.from(`user:${text}`).toString('base64')}`,
  'in base64 after one byte': (text) => Buffer.from(`x${text}y`).toString('base64'),
  'in hexadecimal': (text) => Buffer.from(text).toString('hex'),
};

describe('a secret is taken out of a text', () => {
  test.each(Object.keys(WRAPPED))('%s', (name) => {
    fc.assert(
      fc.property(secret, (value) => {
        fc.pre(isHidden(value) && value.trim().length >= 9);
        const wrapped = WRAPPED[name]?.(value) ?? '';
        const clean = createRedactor(() => [value]).text(`before ${wrapped} after`);
        expect(clean).toContain('[redacted]');
        for (const form of [value.trim(), Buffer.from(value).toString('base64').replace(/=+$/, ''), Buffer.from(value).toString('hex')])
          expect(clean).not.toContain(form);
      }),
      { numRuns: 300 },
    );
  });

  test('line by line, but not the lines that every key file has', () => {
    const key = ['-----BEGIN KEY-----', 'MIIEvQIBADANBgkqhkiG9w0BAQEFAASC', 'BKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj', '-----END KEY-----'].join(
      '\r\n',
    );
    const { text } = createRedactor(() => [key]);
    expect(text('2: BKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj')).toBe('2: [redacted]');
    expect(text('-----BEGIN KEY-----')).toBe('-----BEGIN KEY-----');
  });

  test('as the password of an address', () => {
    const { text } = createRedactor(() => ['postgres://shop:p%40ss%2Fword@db/shop']);
    expect(text('password "p@ss/word" (p%40ss%2Fword) is wrong')).toBe('password "[redacted]" ([redacted]) is wrong');
  });
});

test('short and everyday values stay, whatever names them', () => {
  expect(['on', '8080', 'x'.repeat(SHORTEST_SECRET - 1), ' abc ', 'production', 'LocalHost', 'false'].filter(isHidden)).toEqual([]);
  expect(formsOf('production')).toEqual([]);
  const answer = { environment: 'production', host: 'localhost' };
  expect(createRedactor(() => ['production', 'localhost', 'on']).deep(answer)).toEqual(answer);
});
