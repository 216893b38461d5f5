import { APPROVAL_DEFAULTS as D } from './approvals-schema.ts';
import { windowOf } from './approvals.ts';
import type { Mistake } from './problems.ts';
import { environmentNames, environmentOf, mergedApp } from './resolve.ts';
import type { Config } from './schema.ts';

/** Mistakes of the rules that no single value shows. */
export function checkGovernance(config: Config): Mistake[] {
  return environmentNames(config).flatMap((name) => [
    ...checkApproval(config, name),
    ...checkFreezes(config, name),
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
  const guarded = new Map(own.map(({ value, what }) => [value, what]));
  return environmentNames(config)
    .filter((name) => name !== isolated)
    .flatMap((name) =>
      usesOf(config, name).flatMap(({ app, variable, value, what }): Mistake[] => {
        if (!guarded.has(value)) return [];
        const path = ['environments', isolated, 'isolated'];
        const message = `${name} uses the same ${what} as ${isolated} in ${variable} of ${app}. Give ${name} one of its own (environments.${name}.apps.${app}.env.${variable}).`;
        return [{ path, message }];
      }),
    );
}

interface Use {
  readonly app: string;
  readonly variable: string;
  readonly value: string;
  readonly what: string;
}

/** Secrets by name, and plain values that say where data is. */
function usesOf(config: Config, environment: string): Use[] {
  return Object.entries(config.apps).flatMap(([app, own]) =>
    Object.entries(mergedApp(own, environmentOf(config, environment), app).run?.env ?? {}).flatMap(([variable, value]): Use[] => {
      if (typeof value !== 'string') return [{ app, variable, value: `fromEnv ${value.fromEnv}`, what: `secret ${value.fromEnv}` }];
      return /^[a-z][a-z0-9+.-]*:\/\/\S+/i.test(value) ? [{ app, variable, value, what: 'address' }] : [];
    }),
  );
}
