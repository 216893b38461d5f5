import { UserError } from '../../core/errors.ts';
import type { ReleaseRow } from '../../engine/face.ts';
import type { Client } from '../control-plane/client.ts';
import type { Session } from './session.ts';

interface Environment {
  readonly name: string;
  readonly configured: boolean;
  readonly url: string | null;
}

export async function environments(client: Client): Promise<readonly Environment[]> {
  return (await client.get<{ environments: readonly Environment[] }>('/v1/environments')).environments;
}

/**
 * The environment meant: the one named, `SLUICE_ENV`, development, or the only one there is.
 * @throws UserError `ENVIRONMENT_NEEDED`.
 */
export async function environmentOf(session: Session, client: Client, named: string | undefined): Promise<string> {
  const given = named ?? (session.env['SLUICE_ENV'] || undefined);
  if (given !== undefined) return given;
  const names = (await environments(client)).filter((one) => one.configured).map((one) => one.name);
  if (names.includes('development')) return 'development';
  const [only] = names;
  if (only !== undefined && names.length === 1) return only;
  throw new UserError(
    'ENVIRONMENT_NEEDED',
    'there are several environments, and none was named',
    `Say which with -e: ${names.join(', ')}.`,
  );
}

/**
 * The release meant: the one named, or the only one under way.
 * @throws UserError `RELEASE_NEEDED`.
 */
export async function activeRelease(
  session: Session,
  client: Client,
  id: string | undefined,
  environment: string | undefined,
): Promise<string> {
  if (id !== undefined) return id;
  const { releases } = await client.get<{ releases: readonly ReleaseRow[] }>('/v1/releases', {
    active: true,
    environment: environment ?? (session.env['SLUICE_ENV'] || undefined),
  });
  const [only] = releases;
  if (only === undefined)
    throw new UserError(
      'RELEASE_NEEDED',
      `no release is under way${environment === undefined ? '' : ` in ${environment}`}`,
      '`sluice history` lists those that are over.',
    );
  if (releases.length > 1) {
    const list = releases.map((row) => `${row.id} (${row.environment}: ${row.apps.join(', ')})`).join('; ');
    throw new UserError('RELEASE_NEEDED', `several releases are under way: ${list}`, 'Name the one that is meant.');
  }
  return only.id;
}

/** Where a mistake reaches users. */
function isProduction(environment: string): boolean {
  return /^prod(uction)?($|[-_.])/i.test(environment);
}

/**
 * For production the environment's name has to be typed.
 * @throws UserError `CONFIRMATION_NEEDED` where nobody can be asked, `NOT_CONFIRMED`.
 */
export async function confirmProduction(session: Session, environment: string, what: string, yes: boolean | undefined): Promise<void> {
  if (yes === true || !isProduction(environment)) return;
  if (!session.canAsk) {
    throw new UserError(
      'CONFIRMATION_NEEDED',
      `to ${what} in ${environment} has to be confirmed, and nobody can be asked here`,
      'Add --yes when it is meant.',
    );
  }
  const typed = await session.terminal.ask(`To ${what}, type ${session.terminal.colour('bold', environment)}: `);
  if (typed?.trim() !== environment) throw new UserError('NOT_CONFIRMED', `not confirmed: nothing was changed in ${environment}`, null);
}
