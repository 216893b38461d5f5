import { webhookNotifier } from '../../src/adapters/notify/webhook.ts';
import { createEngine } from '../../src/engine/engine.ts';
import { startNotices } from '../../src/services/following/notices.ts';
import { fakePerformer, runbook } from '../engine/world.ts';

/** A control plane that tells people, in a process of its own that may be killed. */
export interface TellingControl {
  readonly databaseUrl: string;
  readonly webhook: string;
}

const { databaseUrl, webhook } = JSON.parse(process.argv[2] ?? '') as TellingControl;
const engine = await createEngine({ databaseUrl, runbook, performer: fakePerformer() });
startNotices({
  engine,
  courtesyMs: 1_000,
  notifiers: () => Promise.resolve([webhookNotifier({ on: null, url: webhook })]),
  warn: (message) => process.stderr.write(`${message}\n`),
});
process.stdout.write('ready\n');
