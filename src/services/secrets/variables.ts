import type { Secrets } from './secrets.ts';
import type { ConfigReader } from '../../config/load/reader.ts';
import { resolveEnvironment } from '../../config/resolve/resolve.ts';
import type { Config } from '../../config/schema/workspace.ts';
import { UserError } from '../../core/errors.ts';
import { isHidden } from '../../core/secrets/forms.ts';
import { secretReferences } from '../../core/secrets/references.ts';
import type { Plan } from '../../core/release/plan/plan.ts';
import type { Engine } from '../../engine/face.ts';
import type { RunSpec } from '../../core/app/run.ts';
import type { VariablesPort } from './variables-port.ts';
import type { Variable } from './variables-port.ts';

export interface VariablesOptions {
  readonly config: ConfigReader;
  readonly secrets: Secrets;
}

/** Values of `{ fromEnv }` as plans and releases need them. */
export function createVariables({ config, secrets }: VariablesOptions): VariablesPort & { keeping(engine: Engine): Engine } {
  const describe = (name: string, apps: readonly string[], environment: string): Variable => {
    const value = secrets.value(name, environment);
    return { name, apps: [...apps], from: secrets.sourceOf(name, environment), isHidden: value === undefined || isHidden(value) };
  };
  return {
    async wanted(environment) {
      // What a plan would find new in the configuration is asked for once more with the plan itself.
      const now = config.last() ?? (await config.read());
      const apps = namesByApp(resolveEnvironment(now, environment).apps);
      const others = namesOfOthers(now, environment).filter((name) => !apps.has(name));
      return [...apps, ...others.map((name) => [name, []] as const)].map(([name, users]) => describe(name, users, environment));
    },
    async offer(environment, values) {
      secrets.offer(environment, values);
    },
    of: (plan) => [...namesByApp(plan.apps)].map(([name, apps]) => describe(name, apps, plan.environment)),
    keeping: (engine) => ({
      ...engine,
      request(plan, options) {
        // What goes back may still be running: its start says what is missing, where it has to be started.
        if (plan.kind === 'deploy') refuseMissing(plan, secrets);
        secrets.keep(plan.environment, [...namesByApp(plan.apps).keys()]);
        return engine.request(plan, options);
      },
    }),
  };
}

/** @throws UserError `ENV_MISSING` naming every variable of every app at once. */
function refuseMissing(plan: Plan, secrets: Secrets): void {
  const missing = [...namesByApp(plan.apps)].filter(([name]) => secrets.sourceOf(name, plan.environment) === null);
  if (missing.length === 0) return;
  const said = missing.map(([name, apps]) => `${name} (${apps.join(', ')})`).join(', ');
  throw new UserError(
    'ENV_MISSING',
    `no value is known for ${said}`,
    missingHint(
      plan.environment,
      missing.map(([name]) => name),
    ),
  );
}

/** What to do about variables without a value: advice that holds wherever the control plane was started. */
function missingHint(environment: string, names: readonly string[]): string {
  return `Put ${names.join(', ')} into .env.${environment} or .env at the root of the workspace, or set ${names.length === 1 ? 'it' : 'them'} in the shell that runs \`sluice deploy\`; for a control plane elsewhere, in its own environment.`;
}

/** Variable → apps that take it. */
function namesByApp(apps: readonly { readonly app: string; readonly run: RunSpec }[]): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const { app, run } of apps)
    for (const value of Object.values(run.env)) {
      if (typeof value === 'string') continue;
      found.set(value.fromEnv, [...(found.get(value.fromEnv) ?? []), app]);
    }
  return found;
}

/** What the control plane itself takes: for databases, backups, metrics, notices, the host of the repository. */
function namesOfOthers({ environments = {}, ...rest }: Config, environment: string): readonly string[] {
  return secretReferences([rest, Object.hasOwn(environments, environment) ? environments[environment] : {}]).names;
}
