import { createNotifier } from '../adapters/notify/index.ts';
import type { NotifyConfig } from '../config/schema/approvals.ts';
import type { Config } from '../config/schema/workspace.ts';
import { splitArgv } from '../config/schema/values.ts';
import { UserError } from '../core/errors.ts';
import type { Engine } from '../engine/face.ts';
import { startNotices } from '../services/following/notices.ts';
import type { Notifier } from '../ports/notifier.ts';

export interface NotifyOptions {
  readonly engine: Engine;
  /** Root of the workspace. */
  readonly workspace: string;
  /** The configuration as it stands now. */
  config(): Promise<Config>;
  /** Value of a variable; undefined: it is nowhere set. */
  value(name: string): string | undefined;
  /** What commands inherit: no secrets. */
  readonly jobEnv: NodeJS.ProcessEnv;
  warn(message: string): void;
}

/** Tells the people whom `notify` of the configuration names. */
export function notifyPeople(options: NotifyOptions): { stop(): Promise<void> } {
  const { engine, config, warn } = options;
  return startNotices({
    engine,
    warn,
    notifiers: async () => ((await config()).notify ?? []).map((one, i) => orUnable(one, i, () => notifierOf(one, options))),
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

function notifierOf(one: NotifyConfig[number], { value: find, jobEnv, workspace, warn }: NotifyOptions): Notifier {
  const { webhook, command, format = 'json', secret, env: variables = {}, on = null } = one;
  if (webhook !== undefined) {
    const url = valueOf(webhook, find);
    const key = secret === undefined ? null : valueOf(secret, find);
    return createNotifier({ kind: 'webhook', url, format, secret: key, on });
  }
  if (command === undefined) return createNotifier({ kind: 'log', write: warn, on });
  const argv = typeof command === 'string' ? (splitArgv(command) ?? []) : command;
  const own = Object.entries(variables).map(([name, value]): [string, string] => [name, valueOf(value, find)]);
  return createNotifier({ kind: 'command', argv, cwd: workspace, env: { ...jobEnv, ...Object.fromEntries(own) }, on });
}

/** @throws UserError `NOTIFY_VARIABLE_MISSING`. */
function valueOf(value: Value, find: NotifyOptions['value']): string {
  if (typeof value === 'string') return value;
  const found = find(value.fromEnv) ?? '';
  if (found !== '') return found;
  throw new UserError(
    'NOTIFY_VARIABLE_MISSING',
    `\`notify\` needs ${value.fromEnv}, and the control plane does not have it`,
    `Put it into .env, or set ${value.fromEnv} where the control plane is started.`,
  );
}
