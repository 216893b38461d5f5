import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import { signed } from '../../src/adapters/backup/stores/sign.ts';

/** An S3-compatible service on loopback, in memory: checks signatures and content hashes as the real ones do. */
export interface ObjectStoreWorld {
  readonly endpoint: string;
  readonly credentials: { readonly accessKey: string; readonly secretKey: string };
  readonly objects: Map<string, Buffer>;
  /** The next requests are answered so. */
  failNext(status: number, times: number): void;
  close(): Promise<void>;
}

const PAGE = 3;

export async function objectStoreWorld(bucket = 'backups'): Promise<ObjectStoreWorld> {
  const credentials = { accessKey: 'AKIATEST', secretKey: 'wJalrXUtnFEMI/K7MDENG' };
  const objects = new Map<string, Buffer>();
  let failing: { status: number; times: number } = { status: 0, times: 0 };
  const server = createServer((request, response) => {
    void answer(request).then(({ status, body, type = 'application/xml' }) =>
      response.writeHead(status, { 'content-type': type }).end(body),
    );
  });

  async function answer(request: IncomingMessage): Promise<{ status: number; body: string | Buffer; type?: string }> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const content = Buffer.concat(chunks);
    if (failing.times > 0) {
      failing.times -= 1;
      return { status: failing.status, body: '' };
    }
    const url = new URL(request.url ?? '/', `http://${request.headers.host}`);
    const problem = refusal(request, url, content);
    if (problem !== null) return { status: 403, body: `<Error><Code>${problem}</Code></Error>` };
    const [, found, ...rest] = url.pathname.split('/').map(decodeURIComponent);
    if (found !== bucket) return { status: 404, body: '<Error><Code>NoSuchBucket</Code></Error>' };
    const key = rest.join('/');
    if (request.method === 'PUT') {
      objects.set(key, content);
      return { status: 200, body: '' };
    }
    if (request.method === 'DELETE') {
      objects.delete(key);
      return { status: 204, body: '' };
    }
    if (key === '') return { status: 200, body: listing(url) };
    const object = objects.get(key);
    return object === undefined
      ? { status: 404, body: '<Error><Code>NoSuchKey</Code></Error>' }
      : { status: 200, body: object, type: 'application/octet-stream' };
  }

  function refusal(request: IncomingMessage, url: URL, content: Buffer): string | null {
    const hash = String(request.headers['x-amz-content-sha256']);
    if (createHash('sha256').update(content).digest('hex') !== hash) return 'XAmzContentSHA256Mismatch';
    const stamp = String(request.headers['x-amz-date']).replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z');
    const expected = signed({ method: request.method ?? '', url, region: 'eu-test-1', hash, now: new Date(stamp), credentials });
    return expected['authorization'] === request.headers.authorization ? null : 'SignatureDoesNotMatch';
  }

  function listing(url: URL): string {
    const prefix = url.searchParams.get('prefix') ?? '';
    const after = url.searchParams.get('continuation-token') ?? '';
    const keys = [...objects.keys()].filter((key) => key.startsWith(prefix) && key > after).toSorted((a, b) => (a < b ? -1 : 1));
    const page = keys.slice(0, PAGE);
    const contents = page.map(
      (key) =>
        `<Contents><Key>${key.replaceAll('&', '&amp;')}</Key><Size>${objects.get(key)?.length}</Size><LastModified>2026-11-21T08:00:00.000Z</LastModified></Contents>`,
    );
    const next = keys.length > PAGE ? `<NextContinuationToken>${page.at(-1)}</NextContinuationToken>` : '';
    return `<?xml version="1.0" encoding="UTF-8"?><ListBucketResult>${contents.join('')}${next}</ListBucketResult>`;
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    endpoint: `http://127.0.0.1:${address.port}`,
    credentials,
    objects,
    failNext: (status, times) => {
      failing = { status, times };
    },
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
