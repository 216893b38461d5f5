/** A control plane in a process of its own, for tests that kill it. Usage: control-plane.ts <json>. */
import { createEngine } from '../../src/engine/engine.ts';
import { fakePerformer, planOf, runbook } from './world.ts';

interface Settings {
  readonly databaseUrl: string;
  readonly journal: string;
  readonly takesMs: number;
  /** Apps to request a release of each. */
  readonly apps: readonly string[];
}

const settings = JSON.parse(process.argv[2] ?? '{}') as Settings;
const performer = fakePerformer({ journal: settings.journal, takesMs: settings.takesMs });
const line = (level: string) => (fields: unknown, message: string) =>
  process.stderr.write(`${level} ${message} ${JSON.stringify(fields)}\n`);
const log = { debug: () => {}, info: line('info'), warn: line('warn'), error: line('error') };
const engine = await createEngine({ databaseUrl: settings.databaseUrl, runbook, performer, log });
process.on('SIGTERM', () => void engine.close().then(() => process.exit(0)));
const ids = await Promise.all(settings.apps.map((app) => engine.request(planOf([app]), { by: 'ann' })));
process.stdout.write(`ready ${ids.join(' ')}\n`);
