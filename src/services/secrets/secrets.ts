import { createHmac, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { workspaceFolder } from '../../lib/own-folder.ts';
import { writeWhole } from '../../lib/whole-file.ts';
import { envFiles } from '../../config/load/env-files.ts';
import { environmentNames } from '../../config/schema/names.ts';
import type { Config } from '../../config/schema/workspace.ts';
import { OutsideError } from '../../core/errors.ts';
import { secretReferences } from '../../core/secrets/references.ts';

/** Where the value of a variable was found. */
export type ValueSource = 'control plane' | 'caller' | 'kept' | `.env${string}`;

/** The one way by which values of variables reach anything: whatever it hands out is known to the redactor first. */
export interface Secrets {
  /** The value of a variable for an environment, or for what belongs to none (null); undefined: it is nowhere set. */
  value(name: string, environment: string | null): string | undefined;
  /** The same as a record of variables, for those who look single ones up. */
  of(environment: string | null): NodeJS.ProcessEnv;
  /** For a start of an app: what was kept as its release was asked for counts more than what a file or a caller says meanwhile. */
  forStart(environment: string): NodeJS.ProcessEnv;
  /** Where `value` finds it now; null: nowhere. */
  sourceOf(name: string, environment: string | null): ValueSource | null;
  /** Identity of a value, by a key of this workspace: tells that it changed, and nothing about it. Null: it is nowhere set. */
  identity(name: string, environment: string): string | null;
  /** Values that the caller of a command has in their own environment; they replace those of the command before. */
  offer(environment: string, values: Readonly<Record<string, string>>): void;
  /** Keep what these variables are now, for starts that come later: after a restart of the control plane, or of the machine. */
  keep(environment: string, names: readonly string[]): void;
  /** Everything that a configuration or a manifest names, in every environment and layer. */
  learn(deep: unknown, environments?: readonly string[]): void;
  learnConfig(config: Config): void;
  /** A value that must not show anywhere. */
  notice(value: string): void;
  /** All that is known, and was known before a restart. */
  known(): readonly string[];
}

export interface SecretsOptions {
  /** Root of the workspace. */
  readonly workspace: string;
  /** The control plane's own environment. */
  readonly own: NodeJS.ProcessEnv;
  /**
   * Whether `own` counts more than anything else: so it is where a service manager or a person has set it for `sluice server`. A control
   * plane that a command starts in the background has what that one command's shell had, which says nothing about the next one.
   */
  readonly ownFirst: boolean;
  /** Makes identities; several control planes of one database share it. Left out: a key of this workspace's folder. */
  readonly key?: string;
}

const fileSchema = z.object({
  key: z.string(),
  values: z.record(z.string(), z.record(z.string(), z.string())),
  /** Values that were replaced, newest first: running versions may still print them. */
  former: z.array(z.string()),
});
type Kept = z.output<typeof fileSchema>;

const FORMER = 200;

export function createSecrets({ workspace, own, ownFirst, key }: SecretsOptions): Secrets {
  const file = join(workspace, '.sluice', 'values.json');
  const known = new Set<string>();
  const offered = new Map<string, Readonly<Record<string, string>>>();
  let kept = readKept(file);
  const notice = (value: string): void => {
    if (value !== '') known.add(value);
  };
  for (const value of [...Object.values(kept?.values ?? {}).flatMap((values) => Object.values(values)), ...(kept?.former ?? [])])
    notice(value);

  const layers = (environment: string | null): readonly (readonly [ValueSource, Readonly<Record<string, string | undefined>>])[] => {
    const scope = environment ?? '';
    const caller = environment === null ? Object.assign({}, ...offered.values()) : (offered.get(scope) ?? {});
    const mine = ['control plane', own] as const;
    const given = [['caller', caller], ...envFiles(workspace, environment), ['kept', kept?.values[scope] ?? {}]] as const;
    return ownFirst ? [mine, ...given] : [...given, mine];
  };
  const write = (now: Kept): void => {
    kept = now;
    workspaceFolder(workspace);
    writeWhole(file, JSON.stringify(now), { mode: 0o600 });
  };
  const find = (name: string, environment: string | null): { readonly source: ValueSource; readonly value: string } | null => {
    for (const [source, values] of layers(environment)) {
      const value = Object.hasOwn(values, name) ? values[name] : undefined;
      if (value === undefined) continue;
      notice(value);
      return { source, value };
    }
    return null;
  };
  const secrets: Secrets = {
    value: (name, environment) => find(name, environment)?.value,
    of: (environment) => lookups((name) => find(name, environment)?.value),
    forStart: (environment) =>
      lookups((name) => {
        const now = find(name, environment);
        if (now === null || (ownFirst && now.source === 'control plane')) return now?.value;
        return kept?.values[environment]?.[name] ?? now.value;
      }),
    sourceOf: (name, environment) => find(name, environment)?.source ?? null,
    identity(name, environment) {
      const value = find(name, environment)?.value;
      if (value === undefined) return null;
      if (key === undefined && kept === null) write(emptyKept());
      return createHmac('sha256', key ?? kept?.key ?? '')
        .update(`${name}\0${value}`)
        .digest('hex')
        .slice(0, 8);
    },
    offer(environment, values) {
      for (const value of Object.values(values)) notice(value);
      offered.set(environment, values);
    },
    keep(environment, names) {
      const before = kept ?? emptyKept();
      const old = before.values[environment] ?? {};
      const found = names.flatMap((name) => {
        const now = find(name, environment);
        // What a service manager sets is there again after a restart: no copy of it is needed on disk.
        return now === null || (ownFirst && now.source === 'control plane') ? [] : [[name, now.value] as const];
      });
      if (found.length === 0 && kept === null) return;
      const now = { ...old, ...Object.fromEntries(found) };
      const replaced = Object.entries(old).flatMap(([name, value]) => (now[name] === value ? [] : [value]));
      const former = [...new Set([...replaced, ...before.former])].slice(0, FORMER);
      write({ ...before, values: { ...before.values, [environment]: now }, former });
    },
    learn(deep, environments = []) {
      const { names, literals } = secretReferences(deep);
      for (const literal of literals) notice(literal);
      for (const environment of [null, ...environments])
        for (const name of names) for (const [, values] of layers(environment)) if (Object.hasOwn(values, name)) notice(values[name] ?? '');
    },
    learnConfig(config) {
      secrets.learn(config, environmentNames(config));
    },
    notice,
    known: () => [...known],
  };
  return secrets;
}

/** A record whose entries are looked up as they are read. */
function lookups(find: (name: string) => string | undefined): NodeJS.ProcessEnv {
  return new Proxy<NodeJS.ProcessEnv>({}, { get: (_target, name) => (typeof name === 'string' ? find(name) : undefined) });
}

function emptyKept(): Kept {
  return { key: randomBytes(32).toString('base64url'), values: {}, former: [] };
}

function readKept(file: string): Kept | null {
  const text = readText(file);
  if (text === null) return null;
  const parsed = fileSchema.safeParse(jsonOf(text));
  if (parsed.success) return parsed.data;
  throw new OutsideError('VALUES_UNREADABLE', `${file} is not what Sluice wrote`, 'Remove it, and deploy again with the variables set.');
}

function readText(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new OutsideError(
      'VALUES_UNREADABLE',
      `${file} cannot be read: ${String(error)}`,
      'See that it belongs to the user who runs Sluice.',
      error,
    );
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
