import { isInForce, type MigrationRecord } from './record.ts';

/** A version of an app, with the migrations its sources hold: what it was written for. */
export interface SchemaNeeds {
  readonly version: string;
  /** Null where nobody knows: it was released before migrations were recorded. */
  readonly migrations: readonly string[] | null;
}

export interface GateAnswer {
  readonly allowed: boolean;
  /** Why not, one sentence each. */
  readonly reasons: readonly string[];
}

/**
 * Whether a version can work with the schema as it is now (invariant 8). It can when every contract migration in force is one
 * that it knows of, and every expand migration that it knows of is in force. Pure.
 */
export function mayWorkWith({ version, migrations }: SchemaNeeds, record: MigrationRecord): GateAnswer {
  const contracted = record.filter((one) => one.phase === 'contract' && isInForce(one) && one.state !== 'baseline');
  if (migrations === null) {
    return answer(
      contracted.map(
        ({ id }) => `migration ${id} took away what ${version} may still need, and nobody knows which schema it was written for`,
      ),
    );
  }
  const known = new Set(migrations);
  const inForce = new Set(record.filter(isInForce).map(({ id }) => id));
  const recorded = new Map(record.map((one) => [one.id, one]));
  return answer([
    ...contracted.filter(({ id }) => !known.has(id)).map(({ id }) => `migration ${id} took away what ${version} needs`),
    ...migrations
      .filter((id) => !inForce.has(id) && recorded.get(id)?.phase !== 'contract' && recorded.get(id)?.phase !== 'backfill')
      .filter((id) => recorded.get(id)?.state === 'compensated')
      .map((id) => `${version} needs migration ${id}, which was taken back`),
  ]);
}

/** A version that has, or had, traffic. */
export interface Traffic extends SchemaNeeds {
  readonly app: string;
  /** Last time it had traffic, ms since the epoch; now, while it has. */
  readonly lastTrafficAt: number;
}

/**
 * Whether a contract migration may run: every version that had traffic within the rollback window was written with it in mind.
 * A migration is known to the versions whose sources hold it; all others are taken to need what it takes away. Pure.
 */
export function mayContract(id: string, traffic: readonly Traffic[], now: number, windowMs: number): GateAnswer {
  const needing = traffic.filter((one) => now - one.lastTrafficAt < windowMs && !(one.migrations?.includes(id) ?? false));
  return answer(
    needing.map(({ app, version, lastTrafficAt }) => {
      const left = windowMs - (now - lastTrafficAt);
      return `${app} ${version} does not know of ${id} and had traffic ${now - lastTrafficAt < 60_000 ? 'just now' : `${hours(now - lastTrafficAt)} ago`}; without any more it may run in ${hours(left)}`;
    }),
  );
}

function hours(ms: number): string {
  return ms >= 3_600_000 ? `${Math.ceil(ms / 3_600_000)} h` : `${Math.ceil(ms / 60_000)} min`;
}

function answer(reasons: readonly string[]): GateAnswer {
  return { allowed: reasons.length === 0, reasons };
}
