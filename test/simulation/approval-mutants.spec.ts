import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { play, type Rules, story } from './approval-play.ts';

/** Would the property of approvals notice? Each breaks one rule in a copy of the core; the guards are off unless one of them is broken. */
const MUTANTS = [
  {
    name: 'the author approves',
    changes: [['access/approval.ts', 'if ([release.by, ...rule.authors].some((author) => isSamePerson(author, by)))', 'if (by === "-")']],
    caughtBy: /with .* of/,
  },
  {
    name: 'another spelling is another person',
    changes: [['access/approval.ts', ".normalize('NFKC').replaceAll(/\\s+/g, ' ').trim().toLowerCase()", '']],
    caughtBy: /with .* of/,
  },
  {
    name: 'an approval of another plan counts',
    changes: [['access/approval.ts', 'if (planHash !== release.plan.hash || planHash !== approval.planHash)', 'if (by === "-")']],
    caughtBy: /with .* of/,
  },
  {
    name: 'one person approves twice',
    changes: [['access/approval.ts', 'if (approval.given.some((one) => isSamePerson(one.by, by)))', 'if (by === "-")']],
    caughtBy: /with .* of/,
  },
  {
    name: 'somebody without the role approves',
    changes: [['access/approval.ts', 'if (!hasRole(rule, by))', 'if (by === "-")']],
    caughtBy: /with .* of/,
  },
  {
    name: 'one is enough where two are asked for',
    changes: [['access/approval.ts', 'approval.given.length >= plan.approval.number', 'approval.given.length >= 1']],
    caughtBy: /with .* of 2/,
  },
  {
    name: 'a yes that comes too late counts, and a release starts after its approval has expired',
    changes: [
      ['access/approval.ts', 'if (at >= approval.expiresAt)', 'if (at < 0)'],
      ['release/preparations/approval.ts', 'if (asked === null || at < asked.expiresAt) return null;', 'return null;'],
    ],
    caughtBy: /expired|with .* of/,
  },
  {
    name: 'a no is forgotten',
    changes: [
      [
        'access/approval.ts',
        'approval === null || approval.rejected !== null || isApproved(release)',
        'approval === null || isApproved(release)',
      ],
      ['access/approval.ts', 'approval !== null && approval.rejected === null && approval.given', 'approval !== null && approval.given'],
      ['release/preparations/approval.ts', 'if (rejected !== null) return { want', 'if (now < 0 && rejected !== null) return { want'],
    ],
    caughtBy: /although it was rejected/,
  },
  {
    name: 'an approved plan is carried out on what runs by now',
    changes: [['release/preparations/approval.ts', 'if (plan.approval === undefined) return null;', 'return null;']],
    caughtBy: /on another version/,
  },
  {
    name: 'the last look does not compare the plan with its hash',
    changes: [['release/runbook/guards.ts', "if (!isIntact(plan)) return 'the plan is not what was approved';", '']],
    guarded: true,
    caughtBy: /altered/,
  },
  {
    name: 'a release does not wait for its window',
    changes: [
      [
        'release/preparations/window.ts',
        'if (planned === undefined || closedBecause(planned, now) === null)',
        'if (planned === undefined || now > 0)',
      ],
      [
        'release/preparations/window.ts',
        'const closed = planned === undefined ? null : closedText(planned, at);',
        'const closed = planned === undefined ? null : null;',
      ],
    ],
    caughtBy: /window was shut/,
  },
  {
    name: 'a release starts although its window has closed while it stood in line',
    changes: [
      [
        'release/preparations/window.ts',
        'const closed = planned === undefined ? null : closedText(planned, at);',
        'const closed = planned === undefined ? null : null;',
      ],
    ],
    caughtBy: /window was shut/,
  },
  {
    name: 'an emergency needs nobody else',
    changes: [
      [
        'release/plan/make-plan.ts',
        'return { approval: { number: 1, from: [], expiresMs: breakGlassMs, authors: [] }, breakGlass:',
        'return { breakGlass:',
      ],
    ],
    caughtBy: /with nobody of 1/,
  },
  {
    name: 'who wrote it is forgotten when the plan is made',
    changes: [['release/plan/make-plan.ts', 'authors: byAuthors ? [] : authors', 'authors: byAuthors ? authors : []']],
    caughtBy: /with .* of/,
  },
  {
    name: 'a retry keeps the rules of its old plan',
    changes: [['release/plan/make-rollback.ts', "before.kind === 'rollback' ? before :", "before.kind !== 'gone' ? before :"]],
    caughtBy: /with .* of|window was shut/,
  },
] as const;

const folder = join(import.meta.dirname, '../../node_modules/.cache/sluice-approval-mutants');
afterAll(() => rm(folder, { recursive: true, force: true }));

test.each(MUTANTS.map((mutant, index) => [mutant.name, mutant, index] as const))(
  '%s: caught',
  { timeout: 120_000 },
  async (_name, mutant, index) => {
    const rules = await breed(mutant, index);
    const details = fc.check(
      fc.property(story, (told) => {
        // Only the guards see that a plan was changed in the store.
        const moves = 'guarded' in mutant ? told.moves : told.moves.filter(({ kind }) => kind !== 'alter');
        const { wrong } = play(rules, { ...told, moves });
        if (wrong.length > 0) throw new Error(wrong.join('; '));
      }),
      { numRuns: 20_000, seed: 9, endOnFailure: true },
    );
    expect(details.failed, `nothing caught in ${details.numRuns} stories`).toBe(true);
    expect(String(details.errorInstance)).toMatch(mutant.caughtBy);
  },
);

async function breed(mutant: (typeof MUTANTS)[number], index: number): Promise<Rules> {
  const copy = join(folder, String(index));
  for (const room of ['core', 'ports'])
    await cp(join(import.meta.dirname, '../../src', room), join(copy, room), {
      recursive: true,
      filter: (path) => !path.endsWith('.spec.ts'),
    });
  for (const [name, from, to] of mutant.changes) {
    const file = join(copy, 'core', name);
    const source = await readFile(file, 'utf8');
    expect(source.split(from), `${name} must have exactly once: ${from}`).toHaveLength(2);
    await writeFile(file, source.replace(from, to));
  }
  const load = async <T>(path: string): Promise<T> =>
    (await import(/* @vite-ignore */ pathToFileURL(join(copy, 'core/release', path)).href)) as T;
  const { evolve } = await load<Pick<Rules, 'evolve'>>('state/evolve.ts');
  const { next } = await load<Pick<Rules, 'next'>>('runbook/next.ts');
  const { refusal } = await load<Pick<Rules, 'refusal'>>('state/commands.ts');
  const { violation } = await load<Pick<Rules, 'violation'>>('runbook/guards.ts');
  const { rulesOf } = await load<Pick<Rules, 'rulesOf'>>('plan/make-plan.ts');
  const { makeRetryPlan } = await load<Pick<Rules, 'makeRetryPlan'>>('plan/make-rollback.ts');
  return { evolve, next, refusal, rulesOf, makeRetryPlan, violation: 'guarded' in mutant ? violation : () => null };
}
