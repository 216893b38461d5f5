import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Webhook } from 'standardwebhooks';
import { expect, it } from 'vitest';
import { notifierContract, type NotifierHarness, noticeSample } from '../../../test/contracts/notifier.ts';
import type { WebhookFormat } from './bodies.ts';
import { createNotifier } from './index.ts';
import { commandNotifier } from './command.ts';
import { webhookNotifier } from './webhook.ts';

interface Endpoint {
  readonly url: string;
  readonly received: { readonly headers: IncomingHttpHeaders; readonly body: string }[];
  answer: number | 'silent';
  close(): Promise<void>;
}

async function endpoint(): Promise<Endpoint> {
  const received: Endpoint['received'] = [];
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      if (made.answer === 'silent') return;
      if (made.answer === 200) received.push({ headers: request.headers, body: Buffer.concat(parts).toString() });
      response.writeHead(made.answer, made.answer === 302 ? { location: '/elsewhere' } : {}).end('thank you');
    });
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const made: Endpoint = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hooks/t0ken`,
    received,
    answer: 200,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => void server.close(resolve));
    },
  };
  return made;
}

async function webhookHarness(format: WebhookFormat): Promise<NotifierHarness> {
  const there = await endpoint();
  let gone = false;
  const make = () => webhookNotifier({ on: null, url: there.url, format, secret: 'k3y', timeoutMs: 1_000 });
  return {
    notifier: make(),
    again: make,
    secret: 't0ken',
    // A message of Slack has no field for it: people see it in what is to be done.
    received: async () => there.received.map(({ body }) => body),
    async refuse(how) {
      if (how === 'gone') await there.close();
      gone ||= how === 'gone';
      there.answer = how === 'silent' ? 'silent' : 500;
    },
    end: async () => void (gone || (await there.close())),
  };
}

async function commandHarness(): Promise<NotifierHarness> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-notify-'));
  const script = join(folder, 'tell.mjs');
  const write = (text: string) => writeFile(script, text);
  await write("import { appendFileSync } from 'node:fs';\nfor await (const part of process.stdin) appendFileSync('told', part);\n");
  const make = () =>
    commandNotifier({ on: null, argv: [process.execPath, script, '--token=t0ken'], cwd: folder, env: {}, timeoutMs: 5_000 });
  return {
    notifier: make(),
    again: make,
    secret: 't0ken',
    received: async () => (await readFile(join(folder, 'told'), 'utf8')).trim().split('\n'),
    async refuse(how) {
      if (how === 'says no') await write('process.exit(3);\n');
      if (how === 'gone') await rm(script);
      if (how === 'silent') await write('setInterval(() => {}, 1_000);\n');
    },
    end: () => rm(folder, { recursive: true, force: true }),
  };
}

async function logHarness(): Promise<NotifierHarness> {
  const lines: string[] = [];
  const make = () => createNotifier({ kind: 'log', on: null, write: (line) => lines.push(line) });
  return { notifier: make(), again: make, secret: 't0ken', received: async () => lines, async refuse() {}, async end() {} };
}

const TEXT_ONLY = 'text for people: what it is about, without the key';
notifierContract('webhook json', () => webhookHarness('json'));
notifierContract('webhook pagerduty', () => webhookHarness('pagerduty'));
notifierContract('webhook slack', () => webhookHarness('slack'), {
  'says who needs what, what to do, and which notice it is': TEXT_ONLY,
  'says each notice, and a repeat with the same key': TEXT_ONLY,
});
notifierContract('command', commandHarness);
notifierContract('log', logHarness, {
  'says who needs what, what to do, and which notice it is': TEXT_ONLY,
  'says each notice, and a repeat with the same key': TEXT_ONLY,
  'fails when nobody takes it, and can be asked again': 'its own log is always there',
  'fails when nobody is there, without saying where': 'its own log is always there',
  'fails when nothing is heard for too long': 'its own log is always there',
  'ends soon when it is no longer wanted': 'it takes no time',
});

const told = async (format: WebhookFormat, secret: string | null = null) => {
  const there = await endpoint();
  try {
    await webhookNotifier({ on: null, url: there.url, format, secret }).tell(noticeSample(), new AbortController().signal);
    const [first] = there.received;
    if (first === undefined) throw new Error('nothing came');
    return { headers: first.headers, body: first.body, json: JSON.parse(first.body) as Record<string, unknown> };
  } finally {
    await there.close();
  }
};

it('a signed notice is accepted by the library of Standard Webhooks, and refused when it was changed', async () => {
  for (const secret of [`whsec_${Buffer.from('a secret of thirty two characters').toString('base64')}`, 'plain words']) {
    const { headers, body } = await told('json', secret);
    const verifier = new Webhook(secret, secret.startsWith('whsec_') ? {} : { format: 'raw' });
    const signed = headers as Record<string, string>;
    expect(verifier.verify(body, signed)).toMatchObject({ key: noticeSample().key });
    expect(() => verifier.verify(body.replace('production', 'staging'), signed)).toThrow(/signature/i);
  }
});

it('Slack gets a text; PagerDuty an event that opens one incident a notice, by whatever key it was configured with', async () => {
  const { title, action, key } = noticeSample();
  expect((await told('slack')).json).toEqual({ text: `${title}. ${action}` });
  expect((await told('pagerduty', 'r0uting')).json).toMatchObject({
    routing_key: 'r0uting',
    event_action: 'trigger',
    dedup_key: key,
    payload: { summary: title, source: 'sluice/production', severity: 'critical', custom_details: { action } },
  });
});

it('a redirect is not followed', async () => {
  const there = await endpoint();
  there.answer = 302;
  const notifier = webhookNotifier({ on: null, url: there.url });
  await expect(notifier.tell(noticeSample(), new AbortController().signal)).rejects.toMatchObject({ code: 'NOTIFY_FAILED' });
  await there.close();
});

it('a command that does not read what it is told has told somebody all the same', async () => {
  const notifier = commandNotifier({ on: null, argv: ['true'], cwd: tmpdir(), env: { PATH: process.env['PATH'] } });
  const told = notifier.tell({ ...noticeSample(), title: 'x'.repeat(1_000_000) }, new AbortController().signal);
  await expect(told).resolves.toBeUndefined();
});
