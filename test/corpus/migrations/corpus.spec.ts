import { expect, it } from 'vitest';
import { testDatabase } from '../../postgres.ts';
import { judgeCorpus, readCorpus, score } from './run.ts';

it('finds the hazards of the corpus by rules and trace, and leaves safe statements alone', { timeout: 240_000 }, async () => {
  const database = await testDatabase();
  try {
    const corpus = await readCorpus(import.meta.dirname);
    expect(corpus.entries.length).toBeGreaterThanOrEqual(90);
    const results = await judgeCorpus(corpus, database.url);
    const found = score(results);
    expect(found.locksCaught / found.locks).toBeGreaterThanOrEqual(0.97);
    expect(found.caught / found.hazards).toBeGreaterThanOrEqual(0.95);
    expect(found.falseAlarms).toBeLessThanOrEqual(2);
    // What is refused says what to do instead, wherever there is a way.
    const silent = results.flatMap(({ entry, judged }) =>
      judged.flatMap(({ findings }) =>
        findings.filter((one) => one.detector === 'rule' && one.hazard === 'lock' && one.safe === null).map(() => entry.id),
      ),
    );
    expect(silent).toEqual([]);
  } finally {
    await database.drop();
  }
});
