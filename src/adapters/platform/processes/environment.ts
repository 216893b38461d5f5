import { UserError } from '../../../core/errors.ts';
import { formsOf } from '../../../core/secrets/forms.ts';
import type { DeployTarget } from '../../../ports/platform.ts';
import type { EnvValue } from '../../../core/app/run.ts';

/** What an app inherits from the control plane; everything else it gets by its own settings. */
const INHERITED = ['PATH', 'HOME', 'LANG', 'TZ', 'TMPDIR'] as const;

export function inheritedEnvironment(control: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(INHERITED.flatMap((name) => (control[name] === undefined ? [] : [[name, control[name]]])));
}

/**
 * The whole environment of an app but what differs between its instances.
 * @throws UserError ENV_MISSING naming every variable that has no value; ENV_INVALID.
 */
export function appEnvironment(target: DeployTarget, control: NodeJS.ProcessEnv, values: NodeJS.ProcessEnv): Record<string, string> {
  const named = Object.entries(target.env);
  const missing = named.flatMap(([, value]) => (typeof value !== 'string' && values[value.fromEnv] === undefined ? [value.fromEnv] : []));
  if (missing.length > 0) {
    const names = [...new Set(missing)].join(', ');
    throw new UserError(
      'ENV_MISSING',
      `${target.app} needs ${names}, and no value is known here`,
      `Put ${names} into .env.${target.environment} or .env, or set it in the shell that runs \`sluice deploy\`, and deploy again.`,
    );
  }
  const own = Object.fromEntries(named.map(([name, value]) => [name, resolved(value, values)]));
  const invalid = Object.entries(own).find(([name, value]) => value.includes('\0') || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name));
  if (invalid !== undefined) {
    throw new UserError(
      'ENV_INVALID',
      `${target.app}: the variable ${JSON.stringify(invalid[0])} cannot be handed to a process`,
      'Names are letters, digits and "_"; values contain no NUL character.',
    );
  }
  const told = { SLUICE_APP: target.app, SLUICE_ENVIRONMENT: target.environment, SLUICE_VERSION: target.version };
  return { ...inheritedEnvironment(control), ...own, ...told };
}

function resolved(value: EnvValue, values: NodeJS.ProcessEnv): string {
  return typeof value === 'string' ? value : (values[value.fromEnv] ?? '');
}

/** Takes the values of `{ fromEnv }` variables out of a text that is going to be recorded (invariant 10). */
export function withoutSecrets(text: string, env: Readonly<Record<string, EnvValue>>, values: NodeJS.ProcessEnv): string {
  const secrets = Object.values(env).flatMap((value) => (typeof value === 'string' ? [] : formsOf(values[value.fromEnv] ?? '')));
  // Longest first: a secret may contain another one.
  return secrets.toSorted((a, b) => b.length - a.length).reduce((rest, secret) => rest.replaceAll(secret, '***'), text);
}
