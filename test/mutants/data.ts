import type { Mutant } from './mutant.ts';

const RULES = 'src/adapters/database/postgres/rules.spec.ts';
const WAL = 'src/adapters/backup/physical/wal-store.spec.ts';

export default [
  {
    name: 'a wide range of keys counts as a bound',
    file: 'src/core/data/migrations/rules/rows.ts',
    from: ' && high - low < MOST_ROWS;',
    to: ';',
    spec: RULES,
    title: 'is as many as a range of literal keys is wide, whichever way it is written',
  },
  {
    name: 'a column that other rows share counts as a key',
    file: 'src/core/data/migrations/rules/rows.ts',
    from: 'index.identifies && index.valid',
    to: 'index.valid',
    spec: RULES,
    title: 'is not bounded by a column that other rows share, by another column, or by what is filled in later',
  },
  {
    name: 'what is prepared is not judged',
    file: 'src/adapters/database/postgres/parse.ts',
    from: "kind === 'PrepareStmt' ? child(tree, 'query')",
    to: "kind === 'PrepareStmt' ? {}",
    spec: RULES,
    title: 'is not bounded by a column that other rows share, by another column, or by what is filled in later',
  },
  {
    name: 'a branch on rows counts as seen by an empty clone',
    file: 'src/core/data/migrations/rules/check.ts',
    from: 'if (table !== undefined) return `the rows of ${written(table)}`;',
    to: '',
    spec: RULES,
    title: 'is a finding where it is rows, or what differs from server to server; not where it is the schema',
  },
  {
    name: 'a trace clears a guess about a branch that it has not taken',
    file: 'src/core/data/migrations/rules/check.ts',
    from: '({ ...one, certain: true })',
    to: 'one',
    spec: RULES,
    title: 'keeps every guess about what stands in a branch that was not taken',
  },
  {
    name: 'set_config() of a limit goes unnoticed',
    file: 'src/core/data/migrations/rules/session.ts',
    from: 'return [...set, ...configured];',
    to: 'return set;',
    spec: RULES,
    title: 'are named where they are limits of the runner, however they are set',
  },
  {
    name: 'a constraint may be validated while its table is locked',
    file: 'src/core/data/migrations/classify.ts',
    from: 'if (QUICK.test(kind) && !validates) return null;',
    to: 'if (QUICK.test(kind)) return null;',
    spec: RULES,
    title: 'may not go through rows',
  },
  {
    name: 'pieces that a drill reads are removed',
    file: 'src/adapters/backup/physical/wal-store.ts',
    from: 'if (old.length > 0 && !isRead())',
    to: 'if (old.length > 0)',
    spec: WAL,
    title: 'stays while anything reads, and goes with the next call',
  },
  {
    name: 'of two parts of a segment any may be removed',
    file: 'src/adapters/backup/physical/wal-store.ts',
    from: '|| used.key === piece.key) return false;',
    to: ') return false;',
    spec: WAL,
    title: 'never takes the last copy of a part with it, whatever pieces there are',
  },
] satisfies readonly Mutant[];
