import { expect, it } from 'vitest';
import { seeded } from './random.ts';
import { simulate } from './run.ts';
import { type ScenarioRelease, scenarioOf } from './scenario.ts';

/**
 * AR#1329: an analysis that was terminated counted as successful. AR#4128, AR#4750: an abort was not carried out.
 * Here a person aborts at every moment at which anything happens: whatever was going on, it goes back, and nothing is taken for a success.
 */
const STORIES = 100;

it('an abort at every moment goes back, and never counts as a success', { timeout: 120_000 }, () => {
  const outcomes: Record<string, number> = {};
  for (let seed = 1; seed <= STORIES; seed += 1) {
    const story = scenarioOf(seeded(seed), { crashes: false, commands: false });
    const first = story.releases[0] as ScenarioRelease;
    const calm = simulate(seed, { scenario: { ...story, releases: [first] } });
    for (const at of new Set(calm.log.map((entry) => entry.at))) {
      const release: ScenarioRelease = { ...first, commands: [{ after: at, kind: 'abort' }] };
      const { violations, log, states } = simulate(seed, { scenario: { ...story, releases: [release] } });
      const where = `seed ${seed}, ${at} ms`;
      expect({ where, violations }).toEqual({ where, violations: [] });
      const asked = log.findIndex(({ event }) => event.type === 'AbortRequested');
      // Refused: it was over, already being put back, or retiring old versions.
      if (asked === -1) continue;
      const outcome = states.get('r1')?.outcome ?? 'none';
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
      expect({ where, outcome: ['Aborted', 'RollbackFailed'].includes(outcome) }).toEqual({ where, outcome: true });
      const since = log.slice(asked).map(({ event }) => event);
      const passes = since.filter((event) => event.type === 'AnalysisCompleted' && event.verdict.phase === 'Successful');
      const forward = since.filter(({ type }) => ['RolloutPromoted', 'RolloutFinished', 'FinishingStarted'].includes(type));
      expect({ where, passes, forward }).toEqual({ where, passes: [], forward: [] });
    }
  }
  expect(outcomes['Aborted'] ?? 0).toBeGreaterThan(500);
});
