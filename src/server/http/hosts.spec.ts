import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type HostNames, refuseStrangers } from './hosts.ts';

const refusal = (host: string | undefined, names: HostNames = {}, origin?: string): string | null => {
  const headers = { ...(host === undefined ? {} : { host }), ...(origin === undefined ? {} : { origin }) };
  try {
    refuseStrangers({ headers, rawHeaders: host === undefined ? [] : ['Host', host] }, names);
    return null;
  } catch (error) {
    return (error as { code: string }).code;
  }
};

describe('the host that a request names', () => {
  test.each(['localhost', 'localhost:4700', 'LOCALHOST', 'localhost.', '127.0.0.1:1', '127.1.2.3', '[::1]', '[::1]:4700'])(
    '%s is ours',
    (host) => expect(refusal(host)).toBeNull(),
  );

  test.each([
    undefined,
    '',
    'evil.example',
    'localhost.evil.example',
    '127.0.0.1.nip.io',
    'localhost@evil.example',
    '10.0.0.1',
    '0.0.0.0',
    'a b',
    '[::2]',
    'localhost,evil.example',
    '/',
  ])('%s is not', (host) => expect(refusal(host)).toBe('HOST_NOT_ALLOWED'));

  test('may be the public name and the address that is listened on', () => {
    const names = { bound: '192.0.2.7', publicUrl: 'https://sluice.example.com' };
    for (const host of ['sluice.example.com', 'Sluice.Example.com:443', '192.0.2.7:4700']) expect(refusal(host, names)).toBeNull();
    for (const host of ['192.0.2.8', 'example.com', 'x.sluice.example.com']) expect(refusal(host, names)).toBe('HOST_NOT_ALLOWED');
    const everywhere = { bound: '0.0.0.0', ownAddresses: () => ['192.0.2.9', 'fe80::1%eth0'] };
    for (const host of ['192.0.2.9:1', '[fe80::1]']) expect(refusal(host, everywhere)).toBeNull();
    for (const host of ['192.0.2.8', 'machine.example']) expect(refusal(host, everywhere)).toBe('HOST_NOT_ALLOWED');
  });

  test('is never a domain name that nobody has named', () => {
    fc.assert(
      fc.property(fc.domain(), fc.integer({ min: 1, max: 65_535 }), (domain, port) => {
        expect(refusal(`${domain}:${port}`, { bound: '0.0.0.0', publicUrl: 'https://sluice.test' })).toBe('HOST_NOT_ALLOWED');
      }),
    );
  });

  test('is named once', () => {
    const rawHeaders = ['Host', 'localhost', 'host', 'evil.example'];
    expect(() => refuseStrangers({ headers: { host: 'localhost' }, rawHeaders }, {})).toThrow(/host/);
  });
});

test('a page of another site may not ask, whatever host it names', () => {
  for (const origin of ['https://evil.example', 'null', 'file://', 'http://localhost.evil.example', 'https://evil.example/localhost'])
    expect(refusal('localhost', {}, origin)).toBe('ORIGIN_NOT_ALLOWED');
  expect(refusal('localhost:1', {}, 'http://localhost:1')).toBeNull();
  expect(refusal('sluice.example.com', { publicUrl: 'https://sluice.example.com' }, 'https://sluice.example.com')).toBeNull();
});
