import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createRedactor, redactedStream } from './redact.ts';

const secret = fc.string({ minLength: 8, maxLength: 60 }).filter((value) => value.trim().length >= 8 && !'[redacted]'.includes(value));

test('a secret is in nothing that comes out, whatever it was put into', () => {
  fc.assert(
    fc.property(secret, fc.string(), fc.string(), (value, before, after) => {
      const { text, deep } = createRedactor(() => [value]);
      const forms = [
        value,
        Buffer.from(value).toString('base64'),
        Buffer.from(value).toString('base64url'),
        encodeURIComponent(value),
        JSON.stringify(value).slice(1, -1),
      ];
      for (const form of forms) expect(text(`${before} ${form} ${after}`)).not.toContain(form);
      expect(JSON.stringify(deep({ a: [{ b: `${before}${value}${after}` }], n: 12345678 }))).not.toContain(
        JSON.stringify(value).slice(1, -1),
      );
    }),
  );
});

test('numbers and structure stay, values that say nothing are left alone, the longest goes first', () => {
  const { deep, text } = createRedactor(() => ['12345', 'on', '', 'pass', 'password-one', 'password-one-and-two']);
  expect(deep({ port: 12345, said: 'is 12345', mode: 'on' })).toEqual({ port: 12345, said: 'is [redacted]', mode: 'on' });
  expect(text('password-one-and-two pass')).toBe('[redacted] pass');
});

test('secrets that come later count, and log lines stay JSON', () => {
  const secrets = ['first-secret'];
  const lines: string[] = [];
  const stream = redactedStream(
    createRedactor(() => secrets),
    (line) => lines.push(line),
  );
  secrets.push('54321', 'quo"ted');
  stream.write(`${JSON.stringify({ time: 54321, msg: 'first-secret quo"ted 54321' })}\n`);
  stream.write('not JSON: first-secret\n');
  expect(JSON.parse(lines[0] ?? '')).toEqual({ time: 54321, msg: '[redacted] [redacted] [redacted]' });
  expect(lines[1]).toBe('not JSON: [redacted]\n');
});
