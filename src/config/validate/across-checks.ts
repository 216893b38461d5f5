import { didYouMean } from '../../core/text/did-you-mean.ts';
import { cycles } from '../../core/changes/order.ts';
import type { Mistake } from './problems.ts';
import { normalPath } from '../resolve/resolve.ts';
import type { Config } from '../schema/workspace.ts';

/** Mistakes in checks that no single value shows: needs that do not fit together, checks that look at nothing, paths that lead out. */
export function checkChecks(config: Config): Mistake[] {
  return Object.entries(config.apps).flatMap(([app, { checks = {} }]) => {
    const at = (...keys: PropertyKey[]): PropertyKey[] => ['apps', app, 'checks', ...keys];
    const all = Object.entries(checks).map(([name, one]) => ({
      name,
      own: typeof one === 'string' || Array.isArray(one) ? { command: one } : one,
    }));
    const names = all.map(({ name }) => name);
    return [
      ...all.flatMap(({ name, own }): Mistake[] => [
        ...(own.needs ?? []).flatMap((need, i): Mistake[] =>
          names.includes(need) ? [] : [unknownCheck(at(name, 'needs', i), need, names)],
        ),
        ...(own.command === undefined && (own.reports ?? []).length === 0
          ? [{ path: at(name), message: 'looks at nothing: it has neither a command nor reports.' }]
          : []),
        ...(own.inputs ?? []).flatMap((path, i) => leadsOut(at(name, 'inputs', i), path, 'the workspace')),
        ...(own.reports ?? []).flatMap(({ path }, i) => leadsOut(at(name, 'reports', i, 'path'), path, "the app's folder")),
      ]),
      ...cycles(all.map(({ name, own }) => ({ name, dependsOn: own.needs ?? [] }))).map((cycle): Mistake => ({
        path: at(cycle[0] ?? '', 'needs'),
        message: `these checks wait for each other: ${cycle.join(' → ')}. Take one of the needs away.`,
      })),
    ];
  });
}

function unknownCheck(path: readonly PropertyKey[], need: string, names: readonly string[]): Mistake {
  return { path, message: `there is no check "${need}"; checks: ${names.join(', ')}.`, suggestion: didYouMean(need, names) };
}

function leadsOut(at: readonly PropertyKey[], path: string, what: string): Mistake[] {
  const isOut = path.startsWith('/') || normalPath(path).split('/').includes('..');
  return isOut ? [{ path: at, message: `"${path}" leads outside ${what}; allowed: a path inside it.` }] : [];
}
