import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** What a page says. */
export interface Page {
  readonly occasion: string;
  readonly text: string;
}

export interface Pager {
  readonly url: string;
  /** The first page of this occasion; null when none came in time. */
  page(occasion: string, withinMs: number): Promise<Page | null>;
  close(): void;
}

/** Stands for whatever wakes people up: a webhook that keeps what it is told. */
export async function startPager(): Promise<Pager> {
  const pages: Page[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      pages.push(JSON.parse(Buffer.concat(chunks).toString('utf8')) as Page);
      response.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    async page(occasion, withinMs) {
      for (const until = Date.now() + withinMs; ; await sleep(50)) {
        const found = pages.find((one) => one.occasion === occasion);
        if (found !== undefined) return found;
        if (Date.now() > until) return null;
      }
    },
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
