import { createNotifier } from './adapters/notify/index.ts';
import type { NotifyConfig } from './config/approvals-schema.ts';
import { loadConfig } from './config/load.ts';
import { splitArgv } from './config/values.ts';
import { UserError } from './core/errors.ts';
import type { Engine } from './engine/face.ts';
import { startNotices } from './notices.ts';
import type { Notifier } from './ports/notifier.ts';

export interface NotifyOptions {
  readonly engine: Engine;
  /** Root of the workspace. */
  readonly workspace: string;
  /** The control plane's own variables. */
  readonly env: NodeJS.ProcessEnv;
  /** What commands inherit: no secrets. */
  readonly jobEnv: NodeJS.ProcessEnv;
  warn(message: string): void;
  /** A value that must not show anywhere. */
  notice(secret: string): void;
}

/** Tells the people whom `notify` of the configuration names. */
export function notifyPeople(options: NotifyOptions): { stop(): Promise<void> } {
  const { engine, workspace, warn } = options;
  return startNotices({
    engine,
    warn,
    notifiers: async () => ((await loadConfig(workspace)).notify ?? []).map((one, i) => orUnable(one, i, () => notifierOf(one, options))),
  });
}

/** One that cannot tell anybody stands in nobody else's way. */
function orUnable({ on }: NotifyConfig[number], index: number, make: () => Notifier): Notifier {
  try {
    return make();
  } catch (error) {
    return { name: `unable ${index}`, on: on ?? null, tell: () => Promise.reject(error) };
  }
}

type Value = string | { readonly fromEnv: string };

function notifierOf(one: NotifyConfig[number], { env, jobEnv, workspace, warn, notice }: NotifyOptions): Notifier {
  const { webhook, command, format = 'json', secret, env: variables = {}, on = null } = one;
  if (webhook !== undefined) {
    const url = valueOf(webhook, env);
    const key = secret === undefined ? null : valueOf(secret, env);
    notice(url);
    if (key !== null) notice(key);
    return createNotifier({ kind: 'webhook', url, format, secret: key, on });
  }
  if (command === undefined) return createNotifier({ kind: 'log', write: warn, on });
  const argv = typeof command === 'string' ? (splitArgv(command) ?? []) : command;
  const own = Object.entries(variables).map(([name, value]): [string, string] => {
    const said = valueOf(value, env);
    if (typeof value !== 'string') notice(said);
    return [name, said];
  });
  return createNotifier({ kind: 'command', argv, cwd: workspace, env: { ...jobEnv, ...Object.fromEntries(own) }, on });
}

/** @throws UserError `NOTIFY_VARIABLE_MISSING`. */
function valueOf(value: Value, env: NodeJS.ProcessEnv): string {
  if (typeof value === 'string') return value;
  const found = env[value.fromEnv] ?? '';
  if (found !== '') return found;
  throw new UserError(
    'NOTIFY_VARIABLE_MISSING',
    `\`notify\` needs ${value.fromEnv}, and the control plane does not have it`,
    `Start it with ${value.fromEnv} set: \`sluice down\`, then any command.`,
  );
}
