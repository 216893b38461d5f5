import { expect, it } from 'vitest';
import { planOf, versionOf } from '../../../test/engine/world.ts';
import { type Plan, type PlannedApp, withHash } from '../../core/release/plan/plan.ts';
import { fullPlanText, planMarkdown } from './plan.ts';

const HOUR = 3_600_000;
const MONDAY_NOON = Date.UTC(2026, 0, 5, 12);
const STABLE = versionOf('web', 'before');

/** A canary of web, which runs already, and the first deploy of a worker. */
function plan(more: Partial<Plan> = {}): Plan {
  const made = planOf(['web', 'jobs'], { source: 'abcdef0123456789' });
  const apps = made.apps.map((app): PlannedApp =>
    app.app === 'web'
      ? {
          ...app,
          stable: STABLE,
          artifact: `sha256:${'a'.repeat(64)}`,
          strategy: {
            kind: 'canary',
            steps: [
              { kind: 'weight', weight: 5 },
              { kind: 'bake', forMs: 1_800_000 },
            ],
            analysis: null,
            soakMs: 0,
          },
        }
      : { ...app, reason: 'never deployed | first', strategy: { kind: 'recreate' } },
  );
  return withHash({ ...made, apps, unchanged: [{ app: 'docs', reason: 'no change' }], ...more });
}

const STAGES: Partial<Plan> = {
  checks: { apps: [{ app: 'web', base: null }], deadlineMs: HOUR },
  approval: { number: 2, from: [{ role: 'release manager', people: ['ann', 'bob', 'cem'] }], expiresMs: 168 * HOUR, authors: [] },
  window: { timeZone: 'UTC', open: [{ days: ['tue'], from: 480, to: 960 }], freezes: [], waitMs: 48 * HOUR },
  backup: { databases: ['main'], deadlineMs: HOUR },
  migrations: {
    databases: [
      { database: 'main', migrations: [{ id: '001_add_note', checksum: 'x' }] },
      { database: 'archive', migrations: [{ id: '007_index', checksum: 'y' }] },
    ],
    deadlineMs: HOUR,
  },
  projections: { projections: [{ name: 'orders', version: '2' }], deadlineMs: HOUR },
};

it('people read what comes first and who must agree, how long it takes and the way back', () => {
  const text = fullPlanText(plan(STAGES), ['main has been busy'], MONDAY_NOON);
  const from = text.indexOf('Before the rollouts');
  expect(text.slice(from, text.indexOf('\nPlan sha256:'))).toMatchInlineSnapshot(`
    "Before the rollouts
      checks and gates of web must pass
      approval by 2 of release manager (ann, bob, cem), within 7 d
      outside the deployment window; it opens Tue 2026-01-06 08:00 UTC: it waits until then
      restore point of main
      no restore point of archive: \`backups\` names no source like that
      migrations of main: 001_add_note
      migrations of archive: 007_index
      read models rebuilt beside the old ones: orders
    Takes
      30 min besides building and starting
    Way back
      web: version 0898c1f604ed, kept running until the end: traffic is back at once
      jobs: first deploy, nothing to go back to"
  `);
  expect(text).toMatch(/\nPlan sha256:[0-9a-f]{12}\n/);
  expect(text).toContain('Note: main has been busy');
});

it('a pull request is told the same, and a name cannot break its table', () => {
  const made = plan(STAGES);
  expect(planMarkdown(made, ['main has been busy'], MONDAY_NOON).replace(made.hash, 'HASH')).toMatchInlineSnapshot(`
    "## Deploy to production (commit \`abcdef0\`, branch \`main\`)

    | app | why | artifact | strategy | takes |
    |---|---|---|---|---|
    | web | source changed | \`sha256:aaaaaaaaaaaa\` | canary: 5 % for 30 min → 100 % | 30 min besides building and starting |
    | jobs | never deployed \\| first | to be built | recreate: stop the old one, start the new one | no longer than building and starting |

    **Before the rollouts**

    - checks and gates of web must pass
    - approval by 2 of release manager (ann, bob, cem), within 7 d
    - outside the deployment window; it opens Tue 2026-01-06 08:00 UTC: it waits until then
    - restore point of main
    - no restore point of archive: \`backups\` names no source like that
    - migrations of main: 001_add_note
    - migrations of archive: 007_index
    - read models rebuilt beside the old ones: orders

    **Way back**

    - web: version 0898c1f604ed, kept running until the end: traffic is back at once
    - jobs: first deploy, nothing to go back to

    **Left alone**

    - docs: no change

    > main has been busy

    Plan \`HASH\`"
  `);
});

it('an emergency says what it sets aside', () => {
  const made = plan({ breakGlass: { reason: 'the till is down' } });
  const said = 'EMERGENCY: the till is down. Approval rule, window and checks of production are set aside';
  expect(fullPlanText(made, [], 0)).toContain(said);
  expect(planMarkdown(made, [], 0)).toContain(`- ${said}`);
});

it('a shut window says whether the release waits, and until when', () => {
  const shut = (waitMs: number) =>
    fullPlanText(
      plan({ window: { timeZone: 'UTC', open: [{ days: ['tue'], from: 480, to: 960 }], freezes: [], waitMs } }),
      [],
      MONDAY_NOON,
    );
  const line = (waitMs: number) =>
    shut(waitMs)
      .split('\n')
      .find((one) => one.includes('window') || one.includes('open'));
  expect([line(0), line(HOUR), line(48 * HOUR)]).toMatchInlineSnapshot(`
    [
      "  outside the deployment window; it opens Tue 2026-01-06 08:00 UTC; a deploy now is refused",
      "  outside the deployment window; it opens Tue 2026-01-06 08:00 UTC; it waits no longer than 1 h",
      "  outside the deployment window; it opens Tue 2026-01-06 08:00 UTC: it waits until then",
    ]
  `);
});

it('nothing to do is said, with what was left alone', () => {
  const made = withHash({ ...plan(), apps: [] });
  expect(planMarkdown(made, [], 0)).toBe(
    '## Deploy to production (commit `abcdef0`, branch `main`)\n\nNothing to do.\n\n**Left alone**\n\n- docs: no change',
  );
  expect(fullPlanText(made, [], 0)).toContain('docs');
});
