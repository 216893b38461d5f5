import { UserError } from '../../../core/errors.ts';
import type { DeployTarget, EnvValue } from '../../../ports/platform.ts';

/** What an app inherits from the control plane; everything else it gets by its own settings. */
const INHERITED = ['PATH', 'HOME', 'LANG', 'TZ', 'TMPDIR'] as const;

export function inheritedEnvironment(control: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(INHERITED.flatMap((name) => (control[name] === undefined ? [] : [[name, control[name]]])));
}

/**
 * The whole environment of an app but what differs between its instances.
 * @throws UserError ENV_MISSING naming every variable that the control plane does not have; ENV_INVALID.
 */
export function appEnvironment(target: DeployTarget, control: NodeJS.ProcessEnv): Record<string, string> {
  const named = Object.entries(target.run.env);
  const missing = named.flatMap(([, value]) => (typeof value !== 'string' && control[value.fromEnv] === undefined ? [value.fromEnv] : []));
  if (missing.length > 0) {
    const names = [...new Set(missing)].join(', ');
    throw new UserError(
      'ENV_MISSING',
      `${target.app} needs ${names} from the control plane's environment, where it is not set`,
      `Set ${names} where \`sluice\` or its control plane is started, then run the command again.`,
    );
  }
  const own = Object.fromEntries(named.map(([name, value]) => [name, resolved(value, control)]));
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

function resolved(value: EnvValue, control: NodeJS.ProcessEnv): string {
  return typeof value === 'string' ? value : (control[value.fromEnv] ?? '');
}

/** Takes the values of `{ fromEnv }` variables out of a text that is going to be recorded (invariant 10). */
export function withoutSecrets(text: string, env: Readonly<Record<string, EnvValue>>, control: NodeJS.ProcessEnv): string {
  const secrets = Object.values(env).flatMap((value) => (typeof value === 'string' ? [] : formsOf(control[value.fromEnv] ?? '')));
  // Longest first: a secret may contain another one.
  return secrets.toSorted((a, b) => b.length - a.length).reduce((rest, secret) => rest.replaceAll(secret, '***'), text);
}

/** A secret as it may stand in a log line: itself, its lines, its encodings, and the password of a URL. */
function formsOf(secret: string): string[] {
  const plain = [secret, ...secret.split(/\r?\n/), ...passwordOf(secret)];
  const forms = plain.flatMap((text) => [
    text,
    encodeURIComponent(text),
    JSON.stringify(text).slice(1, -1),
    Buffer.from(text).toString('base64'),
  ]);
  // One or two characters occur everywhere; replacing them would hide nothing and garble the text.
  return [...new Set(forms)].filter((form) => form.trim().length > 2);
}

function passwordOf(text: string): string[] {
  if (!URL.canParse(text)) return [];
  const { password } = new URL(text);
  try {
    return [password, decodeURIComponent(password)];
  } catch {
    return [password];
  }
}
