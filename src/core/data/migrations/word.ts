import { personKey } from '../../access/approval.ts';
import { UserError } from '../../errors.ts';
import type { Traffic } from './gates.ts';

/** An approval that the control plane has recorded: of the plan of a release, by name. */
export interface RecordedApproval {
  readonly release: string;
  readonly environment: string;
  readonly given: readonly string[];
  /** Migrations that the sources of the release hold, id → checksum. */
  readonly holds: Readonly<Record<string, string>>;
}

export interface Asked {
  readonly by: string;
  readonly environment: string;
  /** What `--approved-by` said; null where it was not given. */
  readonly word: string | null;
  /** The approval that it names, where it names a release. */
  readonly recorded: RecordedApproval | null;
  /** The environment has an approval rule, so that a word alone does not count there. */
  readonly needsRecord: boolean;
  readonly migrations: readonly { readonly id: string; readonly checksum: string }[];
}

/**
 * What the record says of who agreed: a name that stands in the event log, or what the person at the keyboard says of another one.
 * @throws UserError `APPROVAL_NEEDED` where nothing counts. Pure.
 */
export function agreed(asked: Asked): string {
  const { by, word, recorded, environment } = asked;
  const refuse = (why: string, hint: string): UserError => new UserError('APPROVAL_NEEDED', why, hint);
  if (word === null || word.trim() === '' || personKey(word) === personKey(by))
    throw refuse(
      'migrations that take something away, or reach beyond the schema, need the word of somebody else',
      '--approved-by NAME, who is not you.',
    );
  if (recorded !== null) {
    const other = recorded.given.find((name) => personKey(name) !== personKey(by));
    if (recorded.environment !== environment || other === undefined)
      throw refuse(
        `release ${recorded.release} is not approved in ${environment} by somebody else`,
        'Name a release whose plan was approved there: `sluice history` lists them.',
      );
    const missing = asked.migrations.filter(({ id, checksum }) => recorded.holds[id] !== checksum);
    if (missing.length > 0)
      throw refuse(
        `release ${recorded.release} does not hold ${missing.map(({ id }) => id).join(', ')} as it is now, so that nobody has approved it`,
        'Release the commit that holds it first.',
      );
    return `${by}, approved by ${other} with release ${recorded.release}`;
  }
  if (asked.needsRecord)
    throw refuse(
      `${environment} has an approval rule, and that ${word} agrees is not recorded anywhere`,
      'Release the commit that holds the migration, have it approved, and name the release: --approved-by RELEASE.',
    );
  return `${by}, approved by ${word} as ${by} says`;
}

/** What is not known of the traffic before something is taken away, one sentence each; empty where every app has a history as long as the window. */
export function trafficGaps(
  apps: readonly string[],
  traffic: readonly Traffic[],
  firstAt: Readonly<Record<string, number>>,
  now: number,
  windowMs: number,
): string[] {
  if (apps.length === 0) return ['no app is named for this database, so that nothing is known of who uses it'];
  return apps.flatMap((app) => {
    if (!traffic.some((one) => one.app === app)) return [`nothing is known of the traffic of ${app}: no release of it is recorded here`];
    const first = firstAt[app];
    return first !== undefined && now - first < windowMs
      ? [`the traffic of ${app} is known since ${new Date(first).toISOString()} only, which is less than the rollback window`]
      : [];
  });
}
