import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { parseXml, XmlElement } from '@rgrove/parse-xml';
import { OutsideError, UserError } from '../../../core/errors.ts';
import type { BackupStore, StoredObject } from '../../../ports/backup.ts';
import { missing } from './directory.ts';
import { type Credentials, signed } from './sign.ts';

export interface S3Options {
  readonly bucket: string;
  readonly endpoint: string;
  readonly region: string;
  readonly prefix: string;
  credentials(): Credentials;
}

const NO_CONTENT = createHash('sha256').update('').digest('hex');
const TRIES = 4;

/** Objects of an S3-compatible service, the bucket in the path (as MinIO wants it). */
export function s3Store(options: S3Options): BackupStore {
  const { bucket, endpoint, region } = options;
  const prefix = options.prefix === '' ? '' : `${options.prefix.replace(/\/+$/, '')}/`;

  async function ask(method: string, path: string, query: Readonly<Record<string, string>>, content: Content = null): Promise<Response> {
    const url = new URL(`${endpoint.replace(/\/+$/, '')}/${bucket}${path}`);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    for (let attempt = 1; ; attempt += 1) {
      const hash = content?.sha256 ?? NO_CONTENT;
      const headers = signed({ method, url, region, hash, now: new Date(), credentials: options.credentials() });
      try {
        const body = content === null ? {} : { body: createReadStream(content.path), duplex: 'half' as const };
        const answer = await fetch(url, {
          method,
          headers: { ...headers, ...(content === null ? {} : { 'content-length': String(content.bytes) }) },
          ...body,
        });
        if (answer.status < 500 && answer.status !== 429) return answer;
        await answer.arrayBuffer();
        if (attempt === TRIES) throw outside(`answers ${answer.status}`);
      } catch (error) {
        if (error instanceof OutsideError || attempt === TRIES)
          throw error instanceof OutsideError ? error : outside('does not answer', error);
      }
      await new Promise((resolve) => setTimeout(resolve, 100 * 2 ** attempt));
    }
  }

  const outside = (what: string, cause?: unknown) =>
    new OutsideError(
      'STORE_UNREACHABLE',
      `${location} ${what}`,
      'See the address in the configuration and the state of the service; it is tried again.',
      cause,
    );
  const location = `s3://${bucket}/${prefix} at ${new URL(endpoint).host}`;

  async function refused(answer: Response): Promise<Error> {
    const text = await answer.text();
    const code = /<Code>([^<]*)<\/Code>/.exec(text)?.[1] ?? `HTTP ${answer.status}`;
    if (answer.status === 403 || answer.status === 401)
      return new UserError(
        'STORE_NOT_ALLOWED',
        `${location} refuses: ${code}`,
        'See the keys in the configuration, and whether they may list, read, write and delete in this bucket.',
      );
    return new UserError(
      'BACKUP_STORE_UNUSABLE',
      `${location} refuses: ${code}`,
      'See the name of the bucket and its region in the configuration.',
    );
  }

  return {
    location,
    async put(key, content) {
      await withFile(content, async (file) => {
        const answer = await ask('PUT', pathOf(prefix + key), {}, file);
        if (!answer.ok) throw await refused(answer);
        await answer.arrayBuffer();
      });
    },
    async get(key) {
      const answer = await ask('GET', pathOf(prefix + key), {});
      if (answer.status === 404) throw missing(location, key);
      if (!answer.ok || answer.body === null) throw await refused(answer);
      return Readable.fromWeb(answer.body);
    },
    async list(wanted) {
      const found: StoredObject[] = [];
      let token: string | null = null;
      do {
        const query: Record<string, string> = {
          'list-type': '2',
          prefix: prefix + wanted,
          ...(token === null ? {} : { 'continuation-token': token }),
        };
        const answer = await ask('GET', '', query);
        if (!answer.ok) throw await refused(answer);
        const page = parseList(await answer.text());
        found.push(...page.objects.map(({ key, ...rest }) => ({ ...rest, key: key.slice(prefix.length) })));
        ({ token } = page);
      } while (token !== null);
      return found.toSorted((a, b) => (a.key < b.key ? -1 : 1));
    },
    async remove(keys) {
      for (const key of keys) {
        const answer = await ask('DELETE', pathOf(prefix + key), {});
        if (!answer.ok && answer.status !== 404) throw await refused(answer);
        await answer.arrayBuffer();
      }
    },
  };
}

type Content = { readonly path: string; readonly bytes: number; readonly sha256: string } | null;

function pathOf(key: string): string {
  return `/${key.split('/').map(encodeURIComponent).join('/')}`;
}

/** Its length and hash must be known before the first byte is sent, and it must be possible to send it again. */
async function withFile(content: Readable | Uint8Array, work: (file: NonNullable<Content>) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-s3-'));
  try {
    const path = join(folder, 'object');
    const hash = createHash('sha256');
    const hashing = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        hash.update(chunk);
        done(null, chunk);
      },
    });
    await pipeline(content instanceof Readable ? content : Readable.from([content]), hashing, createWriteStream(path, { mode: 0o600 }));
    await work({ path, bytes: (await stat(path)).size, sha256: hash.digest('hex') });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function parseList(text: string): { readonly objects: StoredObject[]; readonly token: string | null } {
  const { root } = parseXml(text);
  const children = (of: XmlElement | null, name: string) =>
    (of?.children ?? []).filter((child): child is XmlElement => child instanceof XmlElement && child.name === name);
  const value = (of: XmlElement | null, name: string) => children(of, name)[0]?.text ?? '';
  const objects = children(root, 'Contents').map((one) => ({
    key: value(one, 'Key'),
    bytes: Number(value(one, 'Size')),
    at: Date.parse(value(one, 'LastModified')),
  }));
  const token = value(root, 'NextContinuationToken');
  return { objects, token: token === '' ? null : token };
}
