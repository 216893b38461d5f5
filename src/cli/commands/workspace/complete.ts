import { RootCommand } from '@bomb.sh/tab';
import type { Option } from 'commander';
import type { Manifest, ReleaseRow } from '../../../engine/face.ts';
import { EXIT } from '../../session/exit.ts';
import { createClient } from '../../control-plane/client.ts';
import { findLocal } from '../../control-plane/local.ts';
import { environments } from '../../session/pick.ts';
import { COMMON } from '../../session/options.ts';
import { command, type CommandDefinition, type CommandEntry, type Session } from '../../session/session.ts';
import { printed } from './completion.ts';

/** What a word may be that only the control plane knows. */
export interface Values {
  readonly environments: readonly string[];
  readonly apps: readonly string[];
  readonly releases: readonly string[];
}

export const NO_VALUES: Values = { environments: [], apps: [], releases: [] };

/** A person waits at the keyboard: what is not known by then is left out, ms. */
const PATIENCE_MS = 700;

export const complete = command<object>({
  help: 'Called by the script of `sluice completion`, with the words typed so far after `--`. It starts no control plane.',
  options: [],
  async run(session, { args, commands }) {
    const entry = commands.find(({ path }) => path.every((word, i) => args[i] === word));
    const definition = entry === undefined ? null : await entry.load();
    const tree = treeOf(commands, entry, definition, await valuesOf(session));
    // The words are those after `complete --`, the one that is typed now last.
    const text = printed(() => tree.parse([...args]));
    return { exit: EXIT.ok, data: { lines: text.split('\n') }, text };
  },
});

/** All commands, and the options and arguments of the one that is named. Pure. */
export function treeOf(
  commands: readonly CommandEntry[],
  named: CommandEntry | undefined,
  definition: CommandDefinition | null,
  values: Values,
): RootCommand {
  const root = new RootCommand();
  for (const entry of commands) {
    const own = root.command(entry.path.join(' '), entry.summary);
    const kind = entry.args.includes('app') ? values.apps : entry.args.includes('release') ? values.releases : null;
    if (kind !== null) own.argument('word', (add) => kind.forEach((value) => add(value, '')), true);
    if (entry !== named || definition === null) continue;
    for (const option of [...definition.options, ...COMMON()]) {
      const name = (option.long ?? '').replace(/^--/, '');
      const known = valuesFor(option, values);
      // Without a list of values an option that takes one still is none that takes nothing.
      if (option.isBoolean()) own.option(name, option.description, option.short?.slice(1));
      else own.option(name, option.description, (add) => known.forEach((value) => add(value, '')), option.short?.slice(1));
    }
  }
  return root;
}

function valuesFor(option: Option, { environments: names }: Values): readonly string[] {
  return option.argChoices ?? (option.long === '--env' ? names : []);
}

/** What a control plane that runs already knows; nothing where none runs, or it takes too long. */
async function valuesOf(session: Session): Promise<Values> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Values>((resolve) => {
    timer = setTimeout(() => resolve(NO_VALUES), PATIENCE_MS);
  });
  try {
    return await Promise.race([asked(session).catch(() => NO_VALUES), late]);
  } finally {
    clearTimeout(timer);
  }
}

async function asked(session: Session): Promise<Values> {
  const { SLUICE_URL: url = '', SLUICE_TOKEN: token = '' } = session.env;
  const target = url === '' ? await findLocal(await session.workspace(), null) : { url, token, isLocal: false };
  if (target === null) return NO_VALUES;
  const client = await createClient({ locate: async () => target, requestMs: PATIENCE_MS });
  const [known, { releases }] = await Promise.all([
    environments(client),
    client.get<{ releases: ReleaseRow[] }>('/v1/releases', { active: true }),
  ]);
  const manifests = await Promise.all(known.map(({ name }) => client.get<Manifest>(`/v1/manifest/${encodeURIComponent(name)}`)));
  return {
    environments: known.map(({ name }) => name),
    apps: [...new Set(manifests.flatMap(({ apps }) => Object.keys(apps)))],
    releases: releases.map(({ id }) => id),
  };
}
