import type { PlannedStages } from '../../src/core/release/preparations/index.ts';
import type { Random } from './random.ts';

/** How the stages of one release behave. `failures`: times that the outside fails first; Infinity = always. */
export interface StageBehaviour {
  readonly ok: boolean;
  readonly takesMs: number;
  readonly failures: number;
}

export interface StagedRelease {
  readonly stages: PlannedStages;
  readonly behaviours: Readonly<Record<StageKind, StageBehaviour>>;
  /** Whether the versions before can work with the schema that its migrations make. */
  readonly oldWorks: boolean;
  readonly words: readonly Word[];
}

export type StageKind = 'check' | 'fit' | 'backup' | 'migrate' | 'rebuild' | 'revert';

/** What somebody says of a plan. `forged`: it stands in the log whatever the rules say. */
export interface Word {
  readonly after: number;
  readonly says: 'yes' | 'no';
  readonly by: string;
  readonly ofThisPlan: boolean;
  readonly forged: boolean;
}

/** Who asks for every release of the simulation. */
export const AUTHOR = 'ann';
const APPROVERS = ['bob', 'cleo', 'dan'];
/** Has no role. */
const STRANGER = 'eve';

/** Stages for about a third of the releases, with all that may go wrong with them. */
export function stagedOf(random: Random): StagedRelease | null {
  if (!random.chance(0.35)) return null;
  const asks = random.chance(0.7);
  const number = random.int(1, 2);
  const people = asks ? Array.from({ length: random.int(0, 5) }, () => word(random)).toSorted((a, b) => a.after - b.after) : [];
  // Most of those who are asked do say yes in the end, or nothing after the approval would ever be tried.
  const kindly = random.chance(0.75)
    ? APPROVERS.map((by, i): Word => ({ after: 3_000 * (i + 1), says: 'yes', by, ofThisPlan: true, forged: false }))
    : [];
  const stages: PlannedStages = {
    ...(random.chance(0.4) ? { checks: { apps: [], deadlineMs: 20_000 } } : {}),
    ...(asks
      ? {
          approval: {
            number,
            from: random.chance(0.8) ? [{ role: 'lead', people: APPROVERS }] : [],
            expiresMs: random.pick([5_000, 30_000, 90_000]),
            authors: random.chance(0.2) ? ['dan'] : [],
          },
        }
      : {}),
    ...(random.chance(0.2) ? { window: windowOf(random) } : {}),
    ...(random.chance(0.5) ? { backup: { databases: ['main'], deadlineMs: 15_000 } } : {}),
    ...(random.chance(0.6) ? { migrations: { databases: [], deadlineMs: 15_000 } } : {}),
    ...(random.chance(0.4) ? { projections: { projections: [], deadlineMs: 15_000 } } : {}),
  };
  const behaviours = Object.fromEntries(
    (['check', 'fit', 'backup', 'migrate', 'rebuild', 'revert'] as const).map((kind) => [kind, behaviour(random)]),
  ) as StagedRelease['behaviours'];
  return {
    stages,
    behaviours,
    oldWorks: random.chance(0.7),
    words: asks ? [...people, ...kindly].toSorted((a, b) => a.after - b.after) : [],
  };
}

function windowOf(random: Random): NonNullable<PlannedStages['window']> {
  const from = random.int(0, 20_000);
  return {
    timeZone: 'UTC',
    open: [],
    freezes: [{ from, to: from + random.int(1_000, 60_000), reason: 'sale' }],
    waitMs: random.pick([10_000, 120_000]),
  };
}

function word(random: Random): Word {
  return {
    after: random.chance(0.8) ? random.int(0, 8_000) : random.int(0, 90_000),
    says: random.chance(0.9) ? 'yes' : 'no',
    by: random.pick([AUTHOR, ' ANN ', 'bob', 'Bob', 'cleo', 'dan', STRANGER]),
    ofThisPlan: random.chance(0.8),
    forged: random.chance(0.3),
  };
}

function behaviour(random: Random): StageBehaviour {
  return {
    ok: random.chance(0.92),
    takesMs: random.int(10, 3_000),
    failures: random.chance(0.15) ? random.pick([1, 2, Infinity]) : 0,
  };
}
