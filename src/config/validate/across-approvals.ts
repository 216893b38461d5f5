import { APPROVAL_DEFAULTS as D } from '../schema/approvals.ts';
import { windowOf } from '../resolve/approvals.ts';
import type { Mistake } from './problems.ts';
import { environmentNames, environmentOf, mergedApp } from '../resolve/resolve.ts';
import type { Config } from '../schema/workspace.ts';

/** Mistakes of the rules that no single value shows. */
export function checkGovernance(config: Config): Mistake[] {
  return environmentNames(config).flatMap((name) => [
    ...checkApproval(config, name),
    ...checkFreezes(config, name),
    ...checkOrigins(config, name),
    ...checkIsolation(config, name),
  ]);
}

function checkApproval(config: Config, environment: string): Mistake[] {
  const { approval } = environmentOf(config, environment);
  const known = config.access?.roles ?? {};
  const path = ['environments', environment, 'approval'];
  const unknown = (approval?.roles ?? []).flatMap((role, i): Mistake[] =>
    known[role] === undefined
      ? [
          {
            path: [...path, 'roles', i],
            message: `there is no role "${role}"; access.roles has ${Object.keys(known).join(', ') || 'none'}.`,
          },
        ]
      : [],
  );
  if (approval === undefined || unknown.length > 0 || approval.roles === undefined) return unknown;
  const people = new Set(approval.roles.flatMap((role) => (known[role] ?? []).map((person) => person.trim().toLowerCase())));
  const number = approval.number ?? D.number;
  return people.size >= number
    ? []
    : [
        {
          path: [...path, 'roles'],
          message: `${number} people have to approve, but these roles have ${people.size}: no release could ever start.`,
        },
      ];
}

function checkOrigins(config: Config, environment: string): Mistake[] {
  const names = environmentNames(config);
  return (environmentOf(config, environment).promoteFrom ?? []).flatMap((from, i): Mistake[] =>
    names.includes(from) && from !== environment
      ? []
      : [
          {
            path: ['environments', environment, 'promoteFrom', i],
            message: `"${from}" is no other environment; there are ${names.join(', ')}.`,
          },
        ],
  );
}

function checkFreezes(config: Config, environment: string): Mistake[] {
  const { window } = environmentOf(config, environment);
  if (window === undefined) return [];
  return windowOf(window).freezes.flatMap(({ from, to }, i): Mistake[] =>
    from < to ? [] : [{ path: ['environments', environment, 'window', 'freezes', i, 'to'], message: 'the freeze ends before it begins.' }],
  );
}

/**
 * No secret name and no address of data of an isolated environment in any other: what is tried out there must not
 * be able to reach it.
 */
function checkIsolation(config: Config, isolated: string): Mistake[] {
  if (environmentOf(config, isolated).isolated !== true) return [];
  const own = usesOf(config, isolated);
  const guarded = new Set(own.map(({ value }) => value));
  return environmentNames(config)
    .filter((name) => name !== isolated)
    .flatMap((name) =>
      usesOf(config, name).flatMap(({ where, remedy, value, what }): Mistake[] => {
        if (!guarded.has(value)) return [];
        const path = ['environments', isolated, 'isolated'];
        return [{ path, message: `${name} uses the same ${what} as ${isolated} in ${where}. Give ${name} one of its own (${remedy}).` }];
      }),
    );
}

interface Use {
  /** Equal for what is the same. */
  readonly value: string;
  readonly what: string;
  readonly where: string;
  /** Where the configuration may say otherwise. */
  readonly remedy: string;
}

/** Secrets by name, and plain values that say where data is: of the apps, the databases and the projections. */
function usesOf(config: Config, environment: string): Use[] {
  return [...ofApps(config, environment), ...ofDatabases(config, environment), ...ofProjections(config, environment)];
}

function ofApps(config: Config, environment: string): Use[] {
  return Object.entries(config.apps).flatMap(([app, own]) =>
    Object.entries(mergedApp(own, environmentOf(config, environment), app).run?.env ?? {}).flatMap(([variable, value]): Use[] => {
      const place = { where: `${variable} of ${app}`, remedy: `environments.${environment}.apps.${app}.env.${variable}` };
      if (typeof value !== 'string') return [{ ...secret(value), ...place }];
      const data = dataAt(value);
      return data === null ? [] : [{ value: data, what: 'address', ...place }];
    }),
  );
}

function ofDatabases(config: Config, environment: string): Use[] {
  const here = environmentOf(config, environment).databases ?? {};
  return Object.entries(config.databases ?? {}).flatMap(([database, general]) => {
    const { direct, pooled, scratch } = { ...general, ...here[database] };
    return Object.entries({ direct, pooled, scratch }).flatMap(([key, value]): Use[] =>
      value === undefined || value === false
        ? []
        : [
            {
              ...secret(value),
              where: `${key} of database ${database}`,
              remedy: `environments.${environment}.databases.${database}.${key}`,
            },
          ],
    );
  });
}

function ofProjections(config: Config, environment: string): Use[] {
  return Object.entries(config.projections ?? {}).flatMap(([name, { database }]): Use[] => {
    const place = { where: `database of projections ${name}`, remedy: `projections.${name}.database.${environment}` };
    if (typeof database === 'string') return [];
    const own =
      'fromEnv' in database && typeof database.fromEnv === 'string' ? { fromEnv: database.fromEnv } : environmentOwn(database, environment);
    return own === null ? [] : [{ ...secret(own), ...place }];
  });
}

function environmentOwn(database: object, environment: string): FromEnv | null {
  const own = new Map(Object.entries(database)).get(environment) as FromEnv | string | undefined;
  return own === undefined || typeof own === 'string' ? null : own;
}

interface FromEnv {
  readonly fromEnv: string;
}

function secret({ fromEnv }: FromEnv): Pick<Use, 'value' | 'what'> {
  return { value: `fromEnv ${fromEnv}`, what: `secret ${fromEnv}` };
}

/** Where an address leads, leaving out its user and its settings; null: no address. */
function dataAt(text: string): string | null {
  if (!/^[a-z][a-z0-9+.-]*:\/\/\S+/i.test(text) || !URL.canParse(text)) return null;
  const { protocol, host, pathname } = new URL(text);
  return `${protocol.replace('postgresql:', 'postgres:')}//${host.toLowerCase()}${pathname.replace(/\/+$/, '')}`;
}
