import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { textIn } from './content.ts';
import { OWN_RULES } from './rules.ts';
import { createScanner } from './scan.ts';

const scanner = createScanner(OWN_RULES, 'key', () => 0);
/** Random-looking letters, the same in each run: no secret stands in this file. */
function letters(length: number, alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789', seed = 7): string {
  let state = seed;
  return Array.from({ length }, () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return alphabet.charAt((state >> 8) % alphabet.length);
  }).join('');
}
const HEX = '0123456789abcdef';
const rulesIn = (text: string, path = 'src/a.ts'): string[] => {
  const bytes = Buffer.from(text);
  return scanner.scan(path, bytes, bytes.length).findings.map((one) => one.rule);
};

describe('the text of a file', () => {
  const encoded = (text: string, mark: boolean, isBig: boolean): Buffer => {
    const bytes = Buffer.from(`${mark ? '\uFEFF' : ''}${text}`, 'utf16le');
    return isBig ? bytes.swap16() : bytes;
  };

  it('in UTF-16, of either order, with or without a mark, is looked at as in UTF-8', () => {
    const line = fc.stringMatching(/^[ -~]{0,60}$/);
    fc.assert(
      fc.property(fc.array(line, { maxLength: 20 }), fc.boolean(), fc.boolean(), (lines, mark, isBig) => {
        const text = [...lines, `token=ghp_${letters(36)}`].join('\r\n');
        const bytes = encoded(text, mark, isBig);
        const plain = Buffer.from(text);
        const { reason, findings } = scanner.scan('a.ps1', bytes, bytes.length);
        expect(reason).toBeNull();
        expect(findings).toEqual(scanner.scan('a.ps1', plain, plain.length).findings);
        expect(findings.length).toBeGreaterThan(0);
      }),
    );
  });

  it('is all of it, or there is a reason why it is not looked at', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const content = textIn(bytes, bytes.length);
        if (!('reason' in content)) expect(content.length).toBeGreaterThanOrEqual(Math.floor(bytes.length / 2) - 1);
        else expect(bytes.includes(0) || bytes[0] === 0xff || bytes[0] === 0xfe).toBe(true);
      }),
    );
  });

  test.each([
    ['UTF-32', Buffer.from([0xff, 0xfe, 0, 0, 0x61, 0, 0, 0]), 'encoding'],
    ['UTF-16 that is cut off', Buffer.from([0xff, 0xfe, 0x61]), 'encoding'],
    ['a picture', Buffer.from([0x89, 0x50, 0, 0, 0, 0x0d]), 'binary'],
  ])('of %s is none, for a reason', (_what, bytes, reason) => expect(textIn(bytes, bytes.length)).toEqual({ reason }));

  it('of Git LFS is a pointer, which is no content', () => {
    const bytes = Buffer.from(`version https://git-lfs.github.com/spec/v1\noid sha256:${letters(64, HEX)}\nsize 12345\n`);
    expect(scanner.scan('a.bin', bytes, bytes.length).reason).toBe('lfs');
  });
});

describe('forms of secrets', () => {
  const body = Array.from({ length: 5 }, (_, i) => letters(64, undefined, i + 1)).join('\n');
  test.each([
    ['', ''],
    ['Version: GnuPG v2\nComment: a: b: c\n', ''],
    ['Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,AAAA\n', ''],
    ['', '\r'],
  ])('a key with headers %j and line ends %j', (headers, end) => {
    const text = `-----BEGIN PGP PRIVATE KEY BLOCK-----\n${headers}\n${body}\n`;
    expect(rulesIn(text.replaceAll('\n', `${end}\n`))).toEqual(['private-key']);
  });
  it('a key as a string with written line ends', () =>
    expect(rulesIn(`key = "-----BEGIN RSA PRIVATE KEY-----\\nProc-Type: 4,ENCRYPTED\\n\\n${letters(64)}"`)).toEqual(['private-key']));

  const PLANTED: readonly (readonly [rule: string, text: string])[] = [
    ['url-password', `redis://:${letters(20)}@cache.internal:6379/0`],
    ['url-password', `amqps://app:${letters(20)}@mq.internal/v`],
    ['new-relic-key', `NRAK-${letters(27, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789')}`],
    ['new-relic-key', `license_key: ${letters(36, HEX)}NRAL`],
    ['new-relic-key', `NRII-${letters(32)}`],
    ['terraform-token', `${letters(14)}.atlasv1.${letters(67)}`],
    ['azure-client-secret', `${letters(3)}8Q~${letters(34)}`],
    ['azure-client-secret', `ARM_CLIENT_SECRET=${letters(34)}`],
    ['azure-storage-key', `AZURE_STORAGE_KEY="${letters(86)}=="`],
    ['azure-storage-key', `DefaultEndpointsProtocol=https;AccountName=a;AccountKey=${letters(86)}==;EndpointSuffix=core.windows.net`],
    ['azure-shared-key', `Endpoint=sb://a.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey=${letters(43)}=`],
    ['azure-shared-access', `https://a.blob.core.windows.net/c?sv=2022-11-02&ss=b&sp=r&sig=${letters(43)}%3D`],
    ['azure-shared-access', `https://a.blob.core.windows.net/c?sig=${letters(43)}%3D&sv=2022-11-02&sp=r`],
    ['azure-key', `${letters(76)}+ASt${letters(5)}Q==`],
    ['connection-string', `Server=tcp:db.internal,1433;User ID=app;Password=${letters(18)};Encrypt=True`],
    ['pulumi-token', `pul-${letters(40, HEX)}`],
    ['aws-secret-key', `"source": ["aws_secret_access_key = \\"${letters(40)}\\"\\n"]`],
  ];
  it.each(PLANTED)('%s in a tree: %s', (rule, text) => expect(rulesIn(`# nothing\n${text}\n`, 'infra/settings.txt')).toContain(rule));

  test.each([
    'redis://:${PASSWORD}@cache/0',
    'redis://:@cache/0',
    'https://example.com/a?sig=short&sv=1',
    'Server=db;Password=%s;',
    'Server=db;Password=postgres;',
    'AZURE_STORAGE_KEY=$(az storage account keys list)',
    'const q = a ? b.Q~c : d;',
    'import { AzFunction } from "azfunctions";',
  ])('%s is none', (text) => expect(rulesIn(text)).toEqual([]));
});

it('what is found in a file of a path that a rule names depends on that path', () => {
  expect(['home/.netrc', 'yarn.lock', 'a/b.png', 'src/a.ts'].map((path) => scanner.dependsOnContentAlone(path))).toEqual([
    false,
    false,
    false,
    true,
  ]);
});

it('a rule of our own takes time in proportion to the text, whatever the text is', () => {
  const pieces = [
    '-----BEGIN PRIVATE KEY-----\n',
    'a: b: ',
    'Server=',
    'password=',
    '?sv=',
    '&sig=',
    'x://',
    ':',
    '@',
    'A',
    '\\n',
    '"',
    ' ',
    '\n',
    'machine a login ',
    'q~',
    '+ast',
  ];
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...pieces), { minLength: 1, maxLength: 6 }), (parts) => {
      const text = Buffer.from(parts.join('').repeat(Math.ceil(20_000 / parts.join('').length)));
      const before = process.cpuUsage().user;
      scanner.scan('.netrc', text, text.length, { isNew: true });
      expect((process.cpuUsage().user - before) / 1e6).toBeLessThan(2);
    }),
    { numRuns: 25 },
  );
});
